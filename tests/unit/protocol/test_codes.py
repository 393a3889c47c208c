"""Close codes: which may travel (RFC 6455, 7.4), and what they are called."""

import pytest

from wsdiag.protocol.codes import close_code_name, is_sendable


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]
)
def test_codes_that_may_travel(code: int) -> None:
    assert is_sendable(code)


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535])
def test_codes_that_must_not_travel(code: int) -> None:
    assert not is_sendable(code)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1000, "normal closure"),
        (1006, "abnormal closure"),
        (2500, "reserved"),
        (3001, "registered by a library or framework"),
        (4321, "private use"),
    ],
)
def test_names(code: int, name: str) -> None:
    assert close_code_name(code) == name
