"""Paths, parameters and options: one declaration, and clear words where something is wrong."""

from __future__ import annotations

import dataclasses

import pytest

from wsdiag.protocol.http import Request
from wsdiag.server.fault_options import fault_options, fault_specs
from wsdiag.server.faults import FAULTS
from wsdiag.server.faults.delays import Latency
from wsdiag.server.faults.drops import Idle
from wsdiag.server.params import params_of
from wsdiag.server.reply import Reply
from wsdiag.server.routes import RouteError, build_faults, example, from_spec, resolve, spec_of


def test_first_parameter_stands_in_the_path_or_in_the_query() -> None:
    for target in ("/idle/2m?drop=rst", "/idle?timeout=120&drop=rst"):
        (fault,) = resolve(target)
        assert isinstance(fault, Idle)
        assert (fault.after, fault.drop) == (120.0, "rst")


def test_an_empty_parameter_is_its_default() -> None:
    (fault,) = resolve("/idle/1?drop=close&code=&reason=")
    assert isinstance(fault, Idle)
    assert (fault.drop, fault.code, fault.reason) == ("close", 1001, "")


def test_faults_combine_one_behind_the_other() -> None:
    latency, idle = resolve("/latency/50/idle/60?jitter=5&drop=rst")
    assert isinstance(latency, Latency)
    assert isinstance(idle, Idle)
    assert (latency.delay, latency.jitter, idle.after, idle.drop) == (50, 5, 60, "rst")


def test_a_first_parameter_may_be_left_out_before_the_next_fault() -> None:
    assert [fault.name for fault in resolve("/stall/no-pong")] == ["stall", "no-pong"]


def test_a_faults_name_is_a_fault_where_any_word_would_do() -> None:
    pick, idle = resolve("/subprotocol/idle/5")
    assert (pick.name, idle.name) == ("subprotocol", "idle")
    (hang,) = resolve("/hang/close")
    assert hang.phase == "close"  # type: ignore[attr-defined]


def test_root_is_an_echo() -> None:
    assert resolve("/") == []


@pytest.mark.parametrize(
    ("target", "status", "words"),
    [
        ("/idel/3", 404, "/idle"),
        ("/bad/nothing", 404, "/bad/accept"),
        ("/idle/soon", 400, "timeout='soon' is not a duration"),
        ("/idle/3?drop=gently", 400, "one of close, fin, rst"),
        ("/idle/3?dorp=fin", 400, "drop=close|fin"),
        ("/echo?x=1", 400, "takes no parameters"),
        ("/echo/x", 400, "takes no path parameter"),
        ("/status/99", 400, "from 200 to 599"),
        ("/latency/nan", 400, "milliseconds"),
        ("/latency/-5", 400, "milliseconds"),
        ("/idle/0", 400, "1 ms or more"),
        ("/push/1?size=1G", 400, "at most 64M"),
        ("/lose-pongs/2", 400, "0 to 1"),
        ("/redirect/1?to=a%0d%0ab", 400, "URL or path"),
        ("/subprotocol?pick=a%0d%0ab", 400, "name without"),
        ("/bad/frame/nonsense", 400, "rsv1"),
        ("/idle/" + "9" * 400, 400, "duration"),
        ("/close/99999", 400, "65535"),
    ],
)
def test_a_bad_path_is_told_what_to_write(target: str, status: int, words: str) -> None:
    with pytest.raises(RouteError) as caught:
        resolve(target)
    assert caught.value.status == status
    assert words in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_is_declared_whole(fault: type) -> None:
    (built,) = resolve(example(fault))
    assert type(built) is fault
    assert fault.summary
    assert fault.summary[-1] != "."
    for param in params_of(fault):
        assert param.help
        if param.show():
            assert param.read(param.show()) == param.default
    assert dataclasses.replace(built) == built
    assert from_spec(spec_of(built)) == built


def test_options_make_the_same_faults_as_paths() -> None:
    specs = fault_specs({"idle-timeout": "60", "drop": "silent", "latency": "50?jitter=5"})
    faults = build_faults(specs)
    idle = next(fault for fault in faults if isinstance(fault, Idle))
    latency = next(fault for fault in faults if isinstance(fault, Latency))
    assert (idle.after, idle.drop, latency.jitter) == (60, "silent", 5)


def test_a_flag_is_a_fault_without_parameters() -> None:
    assert [fault.name for fault in build_faults(fault_specs({"no-pong": True}))] == ["no-pong"]


def test_how_to_drop_needs_something_that_drops() -> None:
    with pytest.raises(ValueError, match="--idle-timeout or --lifetime"):
        fault_specs({"drop": "silent", "latency": "5"})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_is_an_option_too(fault: type) -> None:
    name = fault.option  # type: ignore[attr-defined]
    if fault.name == "echo":  # type: ignore[attr-defined]
        assert name is None  # what serve does anyway
        return
    assert name is not None
    (built,) = build_faults(fault_specs({name: "" if params_of(fault) else True}))
    assert type(built) is fault


def test_what_several_faults_share_goes_to_those_that_are_asked_for() -> None:
    (closing,) = build_faults(fault_specs({"close": "4000", "reason": "so long"}))
    assert (closing.code, closing.reason) == (4000, "so long")  # type: ignore[attr-defined]
    (cut,) = build_faults(fault_specs({"cut-after": "9", "drop": "rst"}))
    assert cut.drop == "rst"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="--reason needs --idle-timeout or --lifetime or --close"):
        fault_specs({"reason": "so long", "no-pong": True})


def test_a_shared_option_leaves_out_who_means_something_else_by_its_name() -> None:
    idle, rate = build_faults(
        fault_specs({"idle-timeout": "60", "rate-limit": "5", "counts": "client", "code": "4008"})
    )
    assert (idle.counts, idle.code) == ("client", 4008)  # type: ignore[attr-defined]
    assert (rate.most, rate.counts, rate.code) == (5, "messages", 4008)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"--counts needs --idle-timeout$"):
        fault_specs({"rate-limit": "5", "counts": "client"})


def test_redirects_end_also_as_an_option() -> None:
    request = Request("/x", [])
    (fault,) = build_faults(["redirect/1"])
    reply = fault.answer(request)
    assert isinstance(reply, Reply)
    assert b"Location: /redirect/0\r\n" in reply.render()
    (last,) = resolve("/redirect/0")
    assert last.answer(request) is None


def test_the_same_fault_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        build_faults(["idle/1", "idle/2"])


def test_option_names_are_unique() -> None:
    names = [option.name for option in fault_options()]
    assert len(set(names)) == len(names)
    assert {"idle-timeout", "drop", "lifetime", "latency"} <= set(names)
