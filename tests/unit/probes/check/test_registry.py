"""The rules as they are declared, and which of them a run asks for."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from wsdiag.probes.check.options import CheckOptions, opening_status
from wsdiag.probes.check.registry import (
    ALL,
    chosen,
    options_that_need_an_upgrade,
    refuse_inapplicable,
    refuse_unknown,
)
from wsdiag.probes.check.rules.survival import keepalive_span_s
from wsdiag.transport.report import DialError, DialReport


def test_every_rule_is_told_apart_and_explained() -> None:
    ids = [rule.id for rule in ALL]
    assert len(set(ids)) == len(ids)
    for rule in ALL:
        assert re.fullmatch(r"[a-z0-9-]+", rule.id)
        assert rule.why.endswith((".", ")."))
        assert rule.section is None or re.fullmatch(r"RFC \d{4}, [\d.]+", rule.section)
        assert rule.group == "fitness" or rule.section, rule.id


def test_groups_are_asked_for() -> None:
    def groups(**asked: bool) -> set[str]:
        return {rule.group for rule in chosen(CheckOptions(**asked))}  # type: ignore[arg-type]

    assert groups() == {"fitness"}
    assert groups(conformance=True) == {"fitness", "conformance"}
    assert groups(adversarial=True) == {"fitness", "conformance", "adversarial"}


def test_only_and_skip() -> None:
    options = CheckOptions(conformance=True, only=("ping*",), skip=("ping-1*",))
    assert [rule.id for rule in chosen(options)] == [
        "ping",
        "ping-echo",
        "ping-empty",
        "ping-burst",
    ]


@pytest.mark.parametrize(
    ("http_version", "statuses", "must_refuse"),
    [
        ("1.1", {101}, False),
        ("1.1", {200}, True),
        ("2", {200}, False),
        ("3", {200, 403}, False),
        ("2", {403}, True),
    ],
)
def test_the_status_that_opens_depends_on_the_version_of_http(
    http_version: str, statuses: set[int], must_refuse: bool
) -> None:
    options = CheckOptions(
        expect_status=frozenset(statuses), opens_with=opening_status(http_version)
    )
    assert options.must_refuse is must_refuse


def test_an_endpoint_that_must_refuse_is_asked_nothing_of_a_connection() -> None:
    ids = [rule.id for rule in chosen(CheckOptions(expect_status=frozenset({403})))]
    assert ids == ["connect", "status", "certificate"]


def test_unknown_patterns_are_refused_with_the_nearest() -> None:
    refuse_unknown(["ping", "close-*"])
    with pytest.raises(ValueError, match="did you mean ping"):
        refuse_unknown(["pin"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CheckOptions(only=("ping", "rsv1")), "rsv1 needs --adversarial"),
        (CheckOptions(only=("close-*",)), r"close-\* needs --conformance"),
        (CheckOptions(only=("header",)), "header needs --expect-header"),
        (CheckOptions(only=("ping",), expect_status=frozenset({403})), "needs a connection"),
    ],
)
def test_a_check_that_was_named_is_not_left_out_in_silence(
    options: CheckOptions, said: str
) -> None:
    refuse_inapplicable(CheckOptions(only=("ping", "conn*")))
    with pytest.raises(ValueError, match=said):
        refuse_inapplicable(options)


def test_keepalive_is_watched_long_enough() -> None:
    assert keepalive_span_s(20, None) == 60
    assert keepalive_span_s(20, 90) == 90
    assert keepalive_span_s(20, 30) == 60


def test_results_come_by_group() -> None:
    groups = [rule.group for rule in ALL]
    assert groups == sorted(groups, key=["fitness", "conformance", "adversarial"].index)


def test_rules_name_options_that_exist() -> None:
    known = {field.name for field in fields(CheckOptions)}
    for rule in ALL:
        for flag, field in {**rule.asked_by, **rule.limits}.items():
            assert flag.startswith("--")
            assert field in known, rule.id
    assert options_that_need_an_upgrade().keys() == {
        "--adversarial",
        "--conformance",
        "--expect",
        "--expect-extension",
        "--expect-json",
        "--expect-subprotocol",
        "--max-p95",
        "--max-upgrade",
        "--require-idle",
        "--require-keepalive",
        "--send",
        "--stream",
    }


@pytest.mark.parametrize(
    ("phase", "kind", "status", "explained_by"),
    [
        ("tcp", "refused", None, ["connect"]),
        ("tls", "cert", None, ["certificate"]),
        ("upgrade", "http", 404, ["upgrade", "status"]),
        ("upgrade", "timeout", None, ["upgrade"]),
    ],
)
def test_a_dial_that_failed_is_explained(
    phase: str, kind: str, status: int | None, explained_by: list[str]
) -> None:
    report = DialReport("ws://x/", status=status)
    error = DialError(kind, phase, "x", "x", report)  # type: ignore[arg-type]
    assert [rule.id for rule in ALL if rule.explains(error)] == explained_by


def test_rules_say_how_long_they_wait() -> None:
    options = CheckOptions(require_idle_s=90, require_keepalive_s=20, within_s=3)
    waits = {rule.id: rule.lasts_s(options) for rule in ALL}
    assert {id: wait for id, wait in waits.items() if wait} == {
        "message": 3,
        "idle": 90,
        "keepalive": 90,
    }
