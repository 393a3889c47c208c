"""A name that moves to another address is followed by the next connection."""

from __future__ import annotations

import socket

import pytest

from tests.integration.exporter.prometheus import exporting
from tests.integration.waiting import wait_for
from tests.peers.ports import free_port
from wsdiag.exporter.config import ExporterConfig, ExporterTarget
from wsdiag.exporter.exporter import Exporter
from wsdiag.exporter.watched import TargetFigures
from wsdiag.server import ServerOptions
from wsdiag.server.background import BackgroundServer
from wsdiag.transport.dial import resolve
from wsdiag.transport.stream.tcp import Address


def test_changes_of_dns_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    port, answers = free_port(), ["127.0.0.1"]
    first = BackgroundServer(ServerOptions(host="127.0.0.1", port=port))
    second = BackgroundServer(ServerOptions(host="127.0.0.2", port=port))

    async def lookup(host: str, port: int, family: int | None) -> list[Address]:
        return [(socket.AF_INET, (answers[0], port))]

    monkeypatch.setattr(resolve, "lookup", lookup)
    target = ExporterTarget(url=f"ws://moves.example:{port}/", name="moves", interval_s=0.05)

    def figures(exporter: Exporter) -> None:
        seen.append(exporter._fleet.watched[0].figures())

    try:
        with exporting(ExporterConfig(targets=(target,))) as background:
            first.wait("open")
            answers[0] = "127.0.0.2"
            first.stop()
            second.wait("open")
            seen: list[TargetFigures] = []

            def connected() -> bool:
                background.call(figures)
                return bool(seen) and seen[-1].connected

            wait_for(connected)
            assert seen[-1].connections == 2
            assert sum(seen[-1].drops.values()) == 1
    finally:
        first.stop()
        second.stop()
