"""Credentials in environment variables, for callers in Python."""

from __future__ import annotations

import pytest

from wsdiag import DialOptions


def test_each_credential_is_read_from_the_variable_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("U", "ann:secret"), ("B", "token"), ("P", "phrase"), ("K", "s3cret")):
        monkeypatch.setenv(name, value)
    user = DialOptions.from_environment(user_env="U", key_password_env="P", max_redirs=2)
    assert (user.user, user.key_password, user.max_redirs) == ("ann:secret", "phrase", 2)
    bearer = DialOptions.from_environment(
        bearer_env="B", header_env={"X-Api-Key": "K"}, headers=(("X-Other", "1"),)
    )
    assert bearer.bearer == "token"
    assert bearer.headers == (("X-Other", "1"), ("X-Api-Key", "s3cret"))
    assert DialOptions.from_environment() == DialOptions()


def test_what_is_not_set_or_given_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(ValueError, match="NOWHERE is not set"):
        DialOptions.from_environment(header_env={"X-Api-Key": "NOWHERE"})
    with pytest.raises(ValueError, match="user and user_env exclude each other"):
        DialOptions.from_environment(user_env="NOWHERE", user="ann:secret")
