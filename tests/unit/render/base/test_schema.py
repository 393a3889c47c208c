"""The JSON Schema says all that the contract promises, and nothing that is emitted escapes it."""

import json
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.golden import examples
from tests.peers.records import every_record_judged, judge_lines, parse_record, problems
from wsdiag.records import PingReply
from wsdiag.render.base.ndjson import to_line, to_record
from wsdiag.render.base.schema import PATH, build_schema

SCHEMA = json.loads(PATH.read_text(encoding="utf-8"))
DEFINITIONS: dict[str, Any] = SCHEMA["$defs"]

UNITS = {
    "_ms": "milliseconds",
    "_s": "seconds",
    "_pct": "percent",
    "_bytes": "bytes",
    "_bytes_max": "bytes",
    "_days": "days",
}
"""Units by the end of a member's name."""

# What scripts were promised, by type: members may be added, none of these may go.
CONTRACT = {
    "connect.result": "url ok address proxy phases http tls subprotocol extensions tcp hops close "
    "error",
    "ping.start": "url address phases clock",
    "ping.reply": "url seq time rtt_ms late tcp_rtt_ms retransmits unsent_bytes cause",
    "ping.lost": "url seq time waited_ms",
    "ping.closed": "url time drop",
    "ping.waiting": "url seq unanswered waited_ms",
    "ping.resumed": "url seq unanswered waited_ms",
    "ping.outage": "url began down_s attempts drop",
    "ping.summary": "url sent received lost skipped unanswered overdue loss_pct outages down_s "
    "availability_pct min_ms avg_ms p50_ms p90_ms p95_ms p99_ms "
    "max_ms stddev_ms jitter_ms duration_s attribution load thresholds",
    "idle.trial": "url trial idle_for_s interval_s outcome idle_s drop",
    "idle.verdict": "url verdict idle_timeout_s tested_up_to_s drop keepalives "
    "recommended_ping_interval_s candidates explanation",
    "check.result": "id url group status measured limit detail rule took_ms",
    "check.summary": "passed warned failed skipped duration_s",
    "explain.connection": "url source number outcome ended_by evidence age_s idle_s messages bytes "
    "pings drop",
    "path.hop": "url hop address name sent received loss_pct last_ms avg_ms best_ms worst_ms "
    "jitter_ms nat kind",
    "path.summary": "url hops rounds method network_ms endpoint_ms",
    "stream.start": "url address phases clock",
    "stream.message": "url number time kind bytes text data",
    "stream.interval": "url time messages bytes rate",
    "stream.event": "url time event silent_s cause gap missing down_s missed drop",
    "stream.summary": "url messages bytes rate interarrival longest_silence_s gaps lag thresholds",
    "explain.verdict": "url verdict idle_timeout_s lifetime_s drop recommended_ping_interval_s "
    "candidates explanation",
    "serve.listening": "url host port tls",
    "serve.event": "time connection event",
    "exporter.listening": "url host port tls targets",
    "exporter.event": "time event name url peer message hint kept new gone",
    "error": "url phase kind message hint",
    "trace.phase": "url time phase took_ms ok detail",
    "trace.headers": "url time direction first_line headers",
    "trace.frame": "url time direction opcode fin rsv masked length excerpt",
    "Phases": "dns_ms tcp_ms proxy_ms tls_ms quic_ms settings_ms upgrade_ms ping_ms close_ms "
    "total_ms",
    "HttpInfo": "status reason headers",
    "TlsInfo": "version cipher alpn subject issuer sans not_after expires_in_days verified",
    "TcpFacts": "rtt_ms min_rtt_ms retransmits mss",
    "Hop": "product evidence",
    "Attribution": "network_ms endpoint_ms causes",
    "Load": "idle_p50_ms loaded_p50_ms sent_bytes",
    "Drop": "how at_s tcp_acknowledged code reason",
    "Range": "low high",
    "Candidate": "product directive default_s",
}
CHOICES = {
    ("stream.event", "event"): "silence mute burst resumed gap outage",
    ("stream.event", "cause"): "network endpoint feed local",
    ("Drop", "how"): "close fin rst tls-eof rst-stream goaway silent rst-on-write timeout",
    ("path.hop", "kind"): "router tcp-end http2-end endpoint",
    ("ping.start", "clock"): "kernel user",
    ("idle.trial", "trial"): "idle ping pong tcp-keepalive push data heartbeat h2-ping "
    "no-pong vanish no-read",
    ("idle.trial", "outcome"): "alive dropped silent refused kept-busy aborted",
    ("idle.verdict", "verdict"): "no-drop idle-timeout lifetime "
    "application-timeout kept-busy event inconsistent local-fault unreachable",
    ("explain.connection", "outcome"): "close idle-timeout lifetime application-timeout event "
    "pong-timeout size-limit protocol-error injected-reset client-gone silent open unknown",
    ("explain.connection", "ended_by"): "client server middlebox unknown",
    ("check.result", "status"): "pass warn fail skip",
    ("error", "kind"): "dns connect refused proxy tls cert upgrade redirect protocol timeout "
    "closed usage",
}


def test_it_is_a_schema_and_names_every_type() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    types = {one["$ref"].removeprefix("#/$defs/") for one in SCHEMA["oneOf"]}
    assert types == {name for name in CONTRACT if name[0].islower()}


@pytest.mark.parametrize("name", CONTRACT)
def test_every_promised_member_is_there(name: str) -> None:
    promised = set(CONTRACT[name].split())
    if name[0].islower():
        promised |= {"schema_version", "type"}
    assert promised <= set(DEFINITIONS[name]["properties"])


@pytest.mark.parametrize(("place", "words"), CHOICES.items(), ids=str)
def test_every_promised_value_is_there(place: tuple[str, str], words: str) -> None:
    assert set(words.split()) == set(DEFINITIONS[place[0]]["properties"][place[1]]["enum"])


@pytest.mark.parametrize("name", DEFINITIONS)
def test_everything_is_described_with_its_unit(name: str) -> None:
    assert DEFINITIONS[name]["description"]
    for member, schema in DEFINITIONS[name]["properties"].items():
        words = schema.get("description", "")
        assert words.endswith((".", "…")), f"{member}: Annotated[type, words] is missing"
        for end, unit in UNITS.items():
            assert not member.endswith(end) or unit.rstrip("s") in words.lower(), member


def test_nothing_forbids_a_member_that_comes_later() -> None:
    record = to_record(PingReply("ws://x", 1, examples.BEGIN, 1.0)) | {"news": 1}
    assert Draft202012Validator(build_schema()).is_valid(record)
    assert problems(record)  # but a test that sees one says so


def test_the_command_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wsdiag", "--json-schema"],
        capture_output=True,
        text=True,
        timeout=60,
        encoding="utf-8",
    )
    assert json.loads(done.stdout) == build_schema()


@pytest.mark.odd_records
def test_a_bad_record_does_not_escape_the_suite() -> None:
    with pytest.raises(AssertionError, match="rtt_ms"), every_record_judged():
        PingReply("ws://x", 1, examples.BEGIN, float("nan"))
    line = to_line(to_record(PingReply("ws://x", 1, examples.BEGIN, float("nan"))))
    with pytest.raises(AssertionError, match="not by the schema"):
        judge_lines([line])
    judge_lines(["64 bytes from somewhere\n", '{"schema_version":"2.0","ty'])  # no whole record
    with pytest.raises(AssertionError, match="no type of record"):
        parse_record(to_line({"schema_version": "2.0", "type": "ping.replay"}))
