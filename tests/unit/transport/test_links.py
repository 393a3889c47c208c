from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsdiag.transport.links import LinkChange, interface_of, parse

# as Linux 6 sent them: `ip addr del 10.9.9.1/24 dev v0`, `ip link set v0 down`
ADDRESS_GONE = bytes.fromhex(
    "4c0000001500000000000000000000000218800002000000080001000a090901080002000a090901"
    "08000400 0a0909ff 0700030076300000 08000800 80000000".replace(" ", "")
).ljust(76, b"\0")


def link(flags: int, kind: int = 16) -> bytes:
    body = bytes((0, 0)) + (1).to_bytes(2, "little") + (7).to_bytes(4, "little")
    body += flags.to_bytes(4, "little") + bytes(4) + b"\x07\0\x03\0v0\0\0"
    head = (16 + len(body)).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(10)
    return head + body


def test_a_link_that_goes_down_and_one_that_comes_up() -> None:
    assert parse(link(0x1043), 5) == []
    assert parse(link(0x1043) + link(0x1002), 5) == [LinkChange(5, "v0")]
    assert parse(link(0x1003), 5) == [LinkChange(5, "v0")], "up, but without a carrier"
    assert parse(link(0x1043, kind=17), 5) == [LinkChange(5, "v0")]
    assert str(LinkChange(5, "v0")) == "the interface v0 went down"


def test_an_address_that_goes() -> None:
    (change,) = parse(ADDRESS_GONE, 5)
    assert change.address == "10.9.9.1"
    assert str(change).startswith("the address 10.9.9.1 was removed from ")


@given(st.binary(max_size=200))
def test_what_is_malformed_is_passed_over(data: bytes) -> None:
    parse(data, 0)
    parse(link(0x1002)[:20] + data, 0)


def test_the_interface_of_an_address() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("192.0.2.1") is None
