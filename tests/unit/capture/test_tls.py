"""TLS of recorded flows, made by Python's ssl and by keys of our own."""

from __future__ import annotations

import io
import random
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.capture.builder import ANSWER as ACCEPTED
from tests.capture.builder import REQUEST as OPENING
from tests.capture.builder import Capture, Flow
from tests.peers.certs import Authority
from tests.unit.capture.growth import assert_linear
from tests.unit.capture.openssl_flows import openssl_conversation
from tests.unit.capture.tls_flows import Pair, Plaintext, Recorded, Sent, make_server_context, read
from tests.unit.capture.tls_flows import records as split
from wsdiag.capture.reader import CaptureReader
from wsdiag.capture.tls.flow import (
    HANDSHAKE_SECRETS,
    NO_HANDSHAKE,
    NO_KEY_LOG,
    NO_SECRETS,
    TlsFlow,
    is_tls,
)
from wsdiag.capture.tls.key_log import KeyLog
from wsdiag.capture.tls.keys import Suite, expand_label, next_secret, suite
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.report import connection_record
from wsdiag.protocol.codes import Opcode

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REQUEST = b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n"
ANSWER = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
SUITES = [
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
]


def converse(pair: Pair, rounds: int = 20, seed: int = 1) -> tuple[bytes, bytes]:
    """An upgrade and messages both ways; everything that each end sent."""
    chance = random.Random(seed)
    said = [REQUEST, ANSWER]
    pair.send(0, REQUEST)
    pair.send(1, ANSWER)
    for _ in range(rounds):
        number = chance.randrange(2)
        data = chance.randbytes(chance.choice([1, 6, 125, 1000, 16384, 40000]))
        pair.send(number, data)
        said[number] += data
    return said[0], said[1]


@pytest.fixture
def pair(tmp_path: Path, ca: Authority) -> Callable[..., Pair]:
    def make(version: ssl.TLSVersion, suite: str | None = None, **more: object) -> Pair:
        return Pair(tmp_path, ca, version, suite, **more)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def ecdsa(ca: Authority, tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server context with an ECDSA certificate: trustme's default."""
    return make_server_context(ca)


def rsa_context(tmp_path: Path) -> tuple[ssl.SSLContext, Authority]:
    import trustme

    authority = Authority(tmp_path)
    issued = authority._ca.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    chain, key = tmp_path / "rsa.pem", tmp_path / "rsa.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_alpn_protocols(["http/1.1"])
    return context, authority


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_of_tls12_is_opened(name: str, tmp_path: Path) -> None:
    if "ECDSA" in name:
        authority = Authority(tmp_path)
        context = make_server_context(authority)
    else:
        context, authority = rsa_context(tmp_path)
    pair = Pair(tmp_path, authority, TLS12, name, server_context=context)
    said = converse(pair)
    pair.close(1)
    assert pair.recorded.cipher == name
    flow, plain = read(pair.recorded.sent, pair.recorded.log())
    assert (plain.text(0), plain.text(1)) == said
    assert flow.dark is None
    assert flow.facts["version"] == "TLSv1.2"
    assert flow.facts["sni"] == "localhost"
    assert flow.facts["alpn"] == "http/1.1"
    assert [(alert.number, alert.name) for alert in flow.alerts] == [
        (1, "close_notify"),
        (0, "close_notify"),
    ]


def test_a_suite_of_tls13_is_opened(pair: Callable[..., Pair]) -> None:
    made = pair(TLS13)
    said = converse(made)
    made.close(0)
    flow, plain = read(made.recorded.sent, made.recorded.log())
    assert (plain.text(0), plain.text(1)) == said
    assert flow.facts == {
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "sni": "localhost",
        "alpn": "http/1.1",
    }
    assert [(alert.number, alert.name) for alert in flow.alerts] == [
        (0, "close_notify"),
        (1, "close_notify"),
    ]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_the_cut_does_not_matter(version: ssl.TLSVersion, pair: Callable[..., Pair]) -> None:
    made = pair(version)
    said = converse(made)
    chance = random.Random(2)

    def cut(data: bytes) -> list[bytes]:
        parts = []
        while data:
            size = chance.choice([1, 2, 3, 5, 100, 1460])
            parts.append(data[:size])
            data = data[size:]
        return parts

    for _ in range(5):
        flow, plain = read(made.recorded.sent, made.recorded.log(), cut)
        assert (plain.text(0), plain.text(1)) == said
        assert flow.dark is None
    assert made.recorded.sent


def test_a_resumed_session_of_tls12(tmp_path: Path, ca: Authority) -> None:
    first = Pair(tmp_path, ca, TLS12)
    first.send(0, b"first")
    session = first.ends[0].session
    client = first.client_context
    # a session belongs to its context
    again = Pair.__new__(Pair)
    again.__dict__.update(first.__dict__)
    again._bios = [ssl.MemoryBIO() for _ in range(4)]
    to_client, from_client, to_server, from_server = again._bios
    again.ends = (
        client.wrap_bio(to_client, from_client, server_hostname="localhost", session=session),
        first.server_context.wrap_bio(to_server, from_server, server_side=True),
    )
    again.recorded = Recorded()
    for _ in range(4):
        for number in (0, 1):
            try:
                again.ends[number].do_handshake()
            except ssl.SSLWantReadError:
                pass
            again._carry()
    assert again.ends[0].session_reused
    again.send(0, b"again")
    again.send(1, b"and back")
    flow, plain = read(again.recorded.sent, again.recorded.log())
    assert flow.dark is None
    assert (plain.text(0), plain.text(1)) == (b"again", b"and back")


def lines(log: bytes, *labels: bytes) -> KeyLog:
    """A key log without some labels."""
    made = KeyLog()
    made.add(b"\n".join(line for line in log.splitlines() if line.split()[0] not in labels))
    return made


def test_why_a_flow_stays_dark(pair: Callable[..., Pair], tmp_path: Path) -> None:
    made = pair(TLS13)
    converse(made)
    sent = made.recorded.sent
    assert read(sent, None)[0].dark == NO_KEY_LOG
    assert read(sent, None)[0].facts["cipher"] == "TLS_AES_256_GCM_SHA384"
    assert read(sent, KeyLog())[0].dark == NO_SECRETS
    assert read(sent[:6], KeyLog())[0].dark == NO_SECRETS
    joined = [each for each in sent if each[1][0] == 23][-10:]
    assert read(joined, made.recorded.log())[0].dark == NO_HANDSHAKE

    old = pair(TLS12, "ECDHE-ECDSA-AES128-SHA")
    converse(old)
    flow, plain = read(old.recorded.sent, old.recorded.log())
    assert flow.dark == "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA is not supported"
    assert plain.told == ([], [])
    old.close(0)
    flow, _ = read(old.recorded.sent, None)
    assert [alert.name for alert in flow.alerts] == ["encrypted", "encrypted"]


def test_without_the_handshake_secrets_application_data_is_opened_all_the_same(
    pair: Callable[..., Pair],
) -> None:
    made = pair(TLS13)
    said = converse(made)
    labels = (b"CLIENT_HANDSHAKE_TRAFFIC_SECRET", b"SERVER_HANDSHAKE_TRAFFIC_SECRET")
    flow, plain = read(made.recorded.sent, lines(made.recorded.key_log, *labels))
    assert (plain.text(0), plain.text(1)) == said
    assert "alpn" not in flow.facts


def test_the_handshake_s_secrets_open_nothing_of_the_websocket(pair: Callable[..., Pair]) -> None:
    made, flow = pair(TLS13), Flow(Capture())
    made.send(0, OPENING)
    made.send(1, ACCEPTED)
    flow.shake()
    for at, (number, data) in enumerate(made.recorded.sent):
        flow.send(0.1 + at, ("client", "server")[number], data)
    flow.fin(60.0, "client")
    log = lines(made.recorded.key_log, b"CLIENT_TRAFFIC_SECRET_0", b"SERVER_TRAFFIC_SECRET_0")
    (facts,) = CaptureReader(io.BytesIO(flow.capture.pcap()), "test.pcap", key_log=log)
    assert facts.encrypted
    assert facts.notes == [f"not decrypted: {HANDSHAKE_SECRETS}"]


@pytest.mark.parametrize("missing", [b"", b"SERVER_TRAFFIC_SECRET_0"])
def test_a_websocket_of_which_one_half_stays_dark(
    missing: bytes, pair: Callable[..., Pair]
) -> None:
    """Its request and the client's frames show it; of the server's half nothing is claimed."""
    made, flow = pair(TLS13), Flow(Capture())
    made.send(0, OPENING)
    made.send(1, ACCEPTED)
    for _ in range(3):
        made.send(0, flow.frame("client", Opcode.PING, b"1"))
        made.send(1, flow.frame("server", Opcode.PONG, b"1"))
    made.send(0, flow.frame("client", Opcode.CLOSE, b"\x0f\xa0"))
    flow.shake()
    for at, (number, data) in enumerate(made.recorded.sent):
        flow.send(0.1 + at, ("client", "server")[number], data)
    flow.fin(60.0, "client")
    log = lines(made.recorded.key_log, missing)
    (facts,) = CaptureReader(io.BytesIO(flow.capture.pcap()), "test.pcap", key_log=log)
    ending = judge_connection(facts)
    record = connection_record(facts, 1, ending)
    assert (facts.path, facts.sent.pings, ending.outcome) == ("/feed?token=secret", 3, "close")
    if missing:
        assert (facts.received.messages, ending.ended_by) == (None, "unknown")
        assert record.unanswered_pings.sent is None
        assert "what the server sent was not decrypted: a secret is missing" in facts.notes
    else:
        assert (facts.received.messages, ending.ended_by) == (0, "client")
        assert record.unanswered_pings.sent == 0


@pytest.mark.parametrize("later_s", [0.1, 30.0])
def test_an_end_of_dark_tls_in_use_may_be_an_answer(later_s: float) -> None:
    """A Close frame among other bytes looks like any of them."""
    flow = Flow(Capture())
    flow.shake()
    flow.sealed(0.1, "client", 300, kind=22)
    flow.sealed(0.2, "server", 300, kind=22)
    for at in range(20):
        flow.sealed(1 + 0.1 * at, ("client", "server")[at % 2], 200)
    flow.sealed(3.0, "client", 30)
    flow.sealed(3.0 + later_s, "server", 30)
    flow.fin(3.01 + later_s, "server")
    (facts,) = CaptureReader(io.BytesIO(flow.capture.pcap()), "test.pcap")
    assert judge_connection(facts).ended_by == ("unknown" if later_s < 1 else "server")


def test_an_alert_that_ends_a_handshake(tmp_path: Path, ca: Authority) -> None:
    with pytest.raises(ssl.SSLError):
        Pair(tmp_path, Authority(tmp_path), TLS12, server_context=make_server_context(ca))
    to_server, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = make_server_context(ca)
    server.minimum_version = TLS13
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.maximum_version = TLS12
    to_client, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, from_client, server_hostname="localhost"),
        server.wrap_bio(to_server, from_server, server_side=True),
    )
    with pytest.raises(ssl.SSLWantReadError):
        ends[0].do_handshake()
    hello = from_client.read()
    to_server.write(hello)
    with pytest.raises(ssl.SSLError):
        ends[1].do_handshake()
    flow, _ = read([(0, hello), (1, from_server.read())], KeyLog())
    assert [(alert.number, alert.name) for alert in flow.alerts] == [(1, "protocol_version")]
    assert flow.dark is None


# -- gaps ------------------------------------------------------------------------------------


def flatten(sent: list[Sent]) -> list[Sent]:
    """One record at a time; what an end sent in pieces put together before."""
    joined: list[Sent] = []
    for number, data in sent:
        if joined and joined[-1][0] == number:
            joined[-1] = (number, joined[-1][1] + data)
        else:
            joined.append((number, data))
    return [(number, record) for number, data in joined for record in split(data)]


SECTIONS = [(TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256"), (TLS12, "ECDHE-ECDSA-CHACHA20-POLY1305")]


@pytest.mark.parametrize(("version", "name"), [*SECTIONS, (TLS13, None)])
@pytest.mark.parametrize("missing", [1, 7, 60])
def test_records_that_are_missing(
    version: ssl.TLSVersion, name: str | None, missing: int, pair: Callable[..., Pair]
) -> None:
    made = pair(version, name)
    said = [b"%06d" % at + b"x" * (at % 50) for at in range(100)]
    for text in said:
        made.send(0, text)
    flat = flatten(made.recorded.sent)
    client = [at for at, each in enumerate(flat) if each[0] == 0]
    gone = client[-80 : -80 + missing]
    lost = sum(len(flat[at][1]) for at in gone)
    cut: list[Sent | tuple[int, int]] = [*flat[: gone[0]], (0, lost), *flat[gone[-1] + 1 :]]
    flow, plain = read(cut, made.recorded.log())
    assert flow.dark is None
    kept = said[:20], said[20 + missing :]
    assert plain.text(0) == b"".join(kept[0]) + b"<gap>" + b"".join(kept[1])

    # from the middle of a record to the middle of another, which are lost with what is between
    head, tail = flat[gone[0]][1][:9], flat[gone[-1]][1][-3:]
    cut[gone[0] : gone[0] + 1] = [(0, head), (0, lost - len(head) - len(tail)), (0, tail)]
    if lost > len(head) + len(tail):
        flow, plain = read(cut, made.recorded.log())
        assert flow.dark is None
        assert plain.text(0) == b"".join(kept[0]) + b"<gap>" + b"".join(kept[1])

    # nobody knows how many bytes
    cut[gone[0] : gone[0] + 3] = [(0, 0)]
    flow, plain = read(cut, made.recorded.log())
    assert plain.text(0) == b"".join(kept[0]) + b"<gap>" + b"".join(kept[1])


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_bytes_missing_within_one_record(
    version: ssl.TLSVersion, pair: Callable[..., Pair]
) -> None:
    made = pair(version)
    for text in (b"one", b"two" * 100, b"three"):
        made.send(0, text)
    flat = flatten(made.recorded.sent)
    number, record = flat[-2]
    cut = [*flat[:-2], (0, record[:100]), (0, 50), (0, record[150:]), flat[-1]]
    flow, plain = read(cut, made.recorded.log())
    assert plain.text(0) == b"one<gap>three"
    assert flow.dark is None
    assert number == 0


def test_a_certificate_that_is_missing_in_part(pair: Callable[..., Pair]) -> None:
    """Between the hellos and the keys nothing is needed."""
    made = pair(TLS12)
    said = converse(made, 4)
    at = next(at for at, (number, _) in enumerate(made.recorded.sent) if number == 1)
    flight = made.recorded.sent[at][1]
    hello, certificate, *rest = split(flight)
    for pieces in (
        [(1, hello + certificate[:300]), (1, 10), (1, certificate[310:] + b"".join(rest))],
        [(1, hello), (1, len(certificate)), (1, b"".join(rest))],
        [(1, hello), (1, len(certificate) + 20), (1, b"".join(rest)[20:])],
    ):
        sent = [*made.recorded.sent[:at], *pieces, *made.recorded.sent[at + 1 :]]
        flow, plain = read(sent, made.recorded.log())
        assert flow.dark is None
        assert (plain.text(0), plain.text(1)) == said
    sent = [*made.recorded.sent[:at], (1, 100), (1, flight[100:]), *made.recorded.sent[at + 1 :]]
    assert read(sent, made.recorded.log())[0].dark == (
        "its handshake is not complete in the capture"
    )


def test_finished_is_missing_in_tls13(pair: Callable[..., Pair]) -> None:
    made = pair(TLS13)
    said = converse(made, 4)
    at = next(at for at, (number, _) in enumerate(made.recorded.sent) if number == 1)
    flight = made.recorded.sent[at][1]
    hello = split(flight)[0]
    sent = [
        *made.recorded.sent[:at],
        (1, hello),
        (1, len(flight) - len(hello)),
        *made.recorded.sent[at + 1 :],
    ]
    flow, plain = read(sent, made.recorded.log())
    assert flow.dark is None
    assert plain.text(0) == said[0]
    assert plain.text(1).replace(b"<gap>", b"") == said[1]


# -- what Python's ssl cannot be asked to do: KeyUpdate, padding, tickets, early data ----------


class Sealer:
    """A sender of TLS 1.3, from a traffic secret: it seals what it is told, padded as told."""

    def __init__(self, secret: bytes, suite: Suite) -> None:
        self.secret, self.suite, self.number = secret, suite, 0

    def record(self, kind: int, data: bytes, padding: int = 0) -> bytes:
        inner = data + bytes([kind]) + bytes(padding)
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        key = expand_label(self.suite, self.secret, b"key", self.suite.key_size)
        iv = int.from_bytes(expand_label(self.suite, self.secret, b"iv", 12), "big")
        nonce = (iv ^ self.number).to_bytes(12, "big")
        self.number += 1
        return header + AESGCM(key).encrypt(nonce, inner, header)

    def update(self) -> bytes:
        sealed = self.record(22, b"\x18\0\0\x01\0")
        self.secret, self.number = next_secret(self.suite, self.secret), 0
        return sealed


@pytest.fixture
def sealed(pair: Callable[..., Pair]) -> tuple[Recorded, Sealer]:
    """A handshake, and a sealer that goes on where its client has sent nothing yet."""
    made = pair(TLS13)
    secret = next(
        bytes.fromhex(line.split()[2].decode())
        for line in made.recorded.key_log.splitlines()
        if line.startswith(b"CLIENT_TRAFFIC_SECRET_0")
    )
    return made.recorded, Sealer(secret, suite(0x1302))


def test_key_updates_and_padding(sealed: tuple[Recorded, Sealer]) -> None:
    recorded, sealer = sealed
    told = b""
    stream = b""
    for generation in range(5):
        for at in range(4):
            text = b"%d.%d " % (generation, at)
            stream += sealer.record(23, text, padding=at * 100)
            stream += sealer.record(23, b"", padding=at)  # a keepalive of nothing but padding
            told += text
        stream += sealer.update()
    stream += sealer.record(21, b"\x02\x14")
    flow, plain = read([*recorded.sent, (0, stream)], recorded.log())
    assert plain.text(0) == told
    assert [alert.name for alert in flow.alerts] == ["bad_record_mac"]


def test_a_key_update_behind_a_gap(sealed: tuple[Recorded, Sealer]) -> None:
    recorded, sealer = sealed
    stream = [sealer.record(23, b"a"), sealer.record(23, b"b"), sealer.update()]
    stream += [sealer.record(23, b"c"), sealer.record(23, b"d"), sealer.record(23, b"e")]
    lost = sum(map(len, stream[1:4]))
    flow, plain = read(
        [*recorded.sent, (0, stream[0]), (0, lost), (0, b"".join(stream[4:]))], recorded.log()
    )
    assert plain.text(0) == b"a<gap>de"
    assert flow.dark is None


def test_early_data_is_passed_over(sealed: tuple[Recorded, Sealer]) -> None:
    recorded, sealer = sealed
    foreign = Sealer(b"\1" * 48, sealer.suite)
    first = next(at for at, (number, _) in enumerate(recorded.sent) if number == 1)
    early = (0, foreign.record(23, REQUEST))
    sent = [*recorded.sent[:first], early, *recorded.sent[first:], (0, sealer.record(23, b"then"))]
    flow, plain = read(sent, recorded.log())
    assert plain.text(0) == b"<gap>then"
    assert flow.dark is None
    assert flow.facts["alpn"] == "http/1.1"


def test_a_damaged_record_is_a_gap(sealed: tuple[Recorded, Sealer]) -> None:
    recorded, sealer = sealed
    stream = [sealer.record(23, text) for text in (b"a", b"b", b"c", b"d")]
    stream[1] = stream[1][:-1] + bytes([stream[1][-1] ^ 1])
    _, plain = read([*recorded.sent, (0, b"".join(stream))], recorded.log())
    assert plain.text(0) == b"a<gap>cd"


def test_secrets_that_come_late(tmp_path: Path, pair: Callable[..., Pair]) -> None:
    """A browser writes its key log while the capture is read."""
    made = pair(TLS13)
    said = converse(made, 3)
    file = tmp_path / "late.txt"
    file.write_bytes(b"")
    listener = Plaintext()
    flow = TlsFlow(KeyLog(file), listener)
    for at, (number, data) in enumerate(made.recorded.sent):
        if at == 3:
            half = len(made.recorded.key_log) // 2
            file.write_bytes(made.recorded.key_log[:half])
        if at == 4:
            file.write_bytes(made.recorded.key_log)
        flow.data(number, at, data)
    assert flow.dark is None
    assert (listener.text(0), listener.text(1)) == said


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch, pair: Callable[..., Pair]) -> None:
    import sys

    made = pair(TLS13)
    converse(made, 1)
    for name in list(sys.modules):
        if name.startswith("cryptography"):
            monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]
    flow, _ = read(made.recorded.sent, made.recorded.log())
    assert flow.dark == "decryption needs the package cryptography: pip install 'wsdiag[tls]'"


def test_openssl_updates_its_keys(tmp_path: Path, ca: Authority) -> None:
    says = ["hello", "K", "more", "K", "and more"]
    recorded = openssl_conversation(tmp_path, ca, says, "-tls1_3")
    flow, plain = read(recorded.sent, recorded.log())
    assert flow.dark is None
    assert (plain.text(0), plain.text(1)) == (
        b"hello\nmore\nand more\n",
        b"olleh\nerom\nerom dna\n",
    )


def test_openssl_negotiates_anew(tmp_path: Path, ca: Authority) -> None:
    says = ["hello", "R", "more", "R", "and more"]
    recorded = openssl_conversation(tmp_path, ca, says, "-tls1_2", "-client_renegotiation")
    assert recorded.key_log.count(b"CLIENT_RANDOM") == 3
    flow, plain = read(recorded.sent, recorded.log())
    assert flow.dark is None
    assert (plain.text(0), plain.text(1)) == (
        b"hello\nmore\nand more\n",
        b"olleh\nerom\nerom dna\n",
    )
    first = recorded.key_log.splitlines()[0]
    log = KeyLog()
    log.add(first if first.startswith(b"CLIENT_RANDOM") else recorded.key_log.splitlines()[1])
    flow, plain = read(recorded.sent, log)
    assert flow.dark == NO_SECRETS
    assert plain.text(0) == b"hello\n"


# -- hostile ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> list[Recorded]:
    made = []
    for version, name in (*SECTIONS, (TLS13, None)):
        pair = Pair(tmp_path_factory.mktemp("tls"), ca, version, name)
        converse(pair, 6)
        pair.close(0)
        made.append(pair.recorded)
    return made


@given(st.data())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_nothing_is_raised(flows: list[Recorded], data: st.DataObject) -> None:
    recorded = data.draw(st.sampled_from(flows))
    sent: list[Sent | tuple[int, int]] = list(recorded.sent)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sent) - 1))
        number, what = sent[at]
        if isinstance(what, int):
            continue
        place = data.draw(st.integers(0, len(what)))
        match data.draw(st.sampled_from(["flip", "cut", "gap", "drop", "swap", "turn"])):
            case "flip":
                sent[at] = (number, what[:place] + b"\xff" + what[place + 1 :])
            case "cut":
                sent[at] = (number, what[:place])
            case "gap":
                size = data.draw(st.sampled_from([0, 1, 20, 1000, 1 << 30]))
                sent[at : at + 1] = [(number, what[:place]), (number, size), (number, what[place:])]
            case "drop":
                del sent[at]
            case "swap":
                sent[at - 1], sent[at] = sent[at], sent[at - 1]
            case "turn":
                sent[at] = (1 - number, what)
        if not sent:
            break
    _, plain = read(sent, recorded.log())
    for number in (0, 1):
        assert len(plain.text(number)) <= sum(len(b) for _, b in recorded.sent) + 5 * len(sent)


@given(st.lists(st.tuples(st.integers(0, 1), st.binary(max_size=64)), max_size=30))
def test_anything_else_is_no_tls(sent: list[Sent]) -> None:
    flow, plain = read(sent, KeyLog())
    assert plain.told == ([], [])
    assert flow.client is None or flow.client in (0, 1)


def test_lost_records_cost_no_more_than_their_bytes(flows: list[Recorded]) -> None:
    """What looks like headers, behind a gap of any size, is not tried for ever."""

    def work(count: int) -> None:
        fake = b"\x17\x03\x03\x00\x40" * count
        flow, _ = read([*flows[2].sent[:-2], (0, 1 << 40), (0, fake)], flows[2].log())
        assert flow.dark == "the number of its next record was not found behind a gap"

    assert_linear(work, 50_000)


def test_what_is_tls() -> None:
    assert is_tls(b"\x16\x03\x01\x02\x00\x01")
    assert is_tls(b"\x17\x03\x03\x00\x20")
    assert not is_tls(b"GET / HTTP/1.1")
    assert not is_tls(b"\x16\x03")
    assert not is_tls(b"\x16\x03\x01\x00\x00")
    assert not is_tls(b"\x16\x03\x01\xff\xff")
