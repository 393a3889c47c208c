"""Passwords that are prompted for on the terminal: before a dial, and once per run."""

from __future__ import annotations

import sys
from dataclasses import replace

import typer

from wsdiag.transport.dial.options import DialOptions

_TRIES = 3
# Endpoints of one file may share a key or a user: each password is prompted for once.
_answers: dict[str, str] = {}


def prompt_for_passwords(dial: DialOptions) -> DialOptions:
    """`dial` with the passwords it lacks, prompted for where stdin and stderr are a terminal.

    Without a terminal there is no prompt: a pipeline must not hang.
    """
    if not _at_terminal():
        return dial
    if dial.user is not None and ":" not in dial.user:
        dial = replace(dial, user=f"{dial.user}:{_ask(f'Password of user {dial.user}: ')}")
    return _unlock(dial)


def _at_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _unlock(dial: DialOptions) -> DialOptions:
    """With the password of an encrypted key; a usage error after three wrong ones."""
    if dial.cert is None or dial.key_password is not None:
        return dial
    from wsdiag.transport.tls.trust import TrustError, is_encrypted, load_client_certificate

    if not is_encrypted(dial.key or dial.cert):
        return dial
    prompt = f"Password of {dial.key or dial.cert}: "
    for left in reversed(range(_TRIES)):
        password = _ask(prompt)
        if not password:  # Return alone, or Ctrl-D: nothing to try
            return dial
        unlocked = replace(dial, key_password=password)
        try:
            load_client_certificate(unlocked)
        except TrustError as error:
            del _answers[prompt]
            if not left or not error.wrong_password:
                raise typer.BadParameter(error.message, param_hint=error.option) from None
            print("That is not its password.", file=sys.stderr)
        else:
            return unlocked
    return dial


def _ask(prompt: str) -> str:
    """What was typed, unseen; empty at the end of input."""
    import getpass

    if prompt not in _answers:
        try:
            _answers[prompt] = getpass.getpass(prompt)
        except EOFError:
            _answers[prompt] = ""
            print(file=sys.stderr)
        except BaseException:  # Ctrl-C: what follows begins on a line of its own
            print(file=sys.stderr)
            raise
    return _answers[prompt]
