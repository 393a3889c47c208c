"""RabbitMQ with its plugins for STOMP and MQTT over WebSocket, as a node of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.peers.peer import Peer
from tests.peers.ports import free_port
from tests.peers.process import Daemon, accepts
from tests.peers.tools import require_tool

START_S = 90.0
# Debian's wrapper in /usr/sbin wants to run as the package's user, and in its directories.
SERVERS = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"


@dataclass(frozen=True, slots=True)
class RabbitMq:
    """A running node: STOMP at `stomp_url`, MQTT at `mqtt_url`; user and password: guest."""

    stomp_url: str
    mqtt_url: str
    daemons: tuple[Daemon, ...]

    def stop(self) -> None:
        """End the node, then the port mapper that was started for it."""
        for daemon in self.daemons:
            daemon.stop()


def start_rabbitmq(directory: Path, *, host: str) -> RabbitMq:
    """One node, its port mapper beside it; neither knows of any other on this machine."""
    require_tool("rabbitmq-server")
    server = next(Path("/").glob(SERVERS[1:]), None)
    assert server is not None, "rabbitmq-server is not where Debian puts it"
    ports = {
        name: free_port(host) for name in ("amqp", "stomp", "mqtt", "ws", "wm", "epmd", "dist")
    }
    (directory / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {host}:{ports['amqp']}\n"
        f"stomp.listeners.tcp.1 = {host}:{ports['stomp']}\n"
        f"mqtt.listeners.tcp.1 = {host}:{ports['mqtt']}\n"
        f"web_stomp.tcp.ip = {host}\nweb_stomp.tcp.port = {ports['ws']}\n"
        f"web_mqtt.tcp.ip = {host}\nweb_mqtt.tcp.port = {ports['wm']}\n"
    )
    (directory / "plugins").write_text("[rabbitmq_web_stomp,rabbitmq_web_mqtt].\n")
    (directory / "home").mkdir()
    env = {
        "HOME": str(directory / "home"),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": host,
        "RABBITMQ_NODENAME": f"wsdiag{ports['amqp']}@localhost",
        "RABBITMQ_DIST_PORT": str(ports["dist"]),
        "RABBITMQ_BASE": str(directory),
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        "RABBITMQ_PID_FILE": str(directory / "pid"),
    }
    epmd = Daemon([require_tool("epmd")], directory / "epmd.out", env=env)
    node: Daemon | None = None
    try:
        epmd.wait_until(lambda: accepts(host, ports["epmd"]), "the port mapper accepted")
        node = Daemon([str(server)], directory / "rabbitmq.out", env=env)
        node.wait_until(
            lambda: all(accepts(host, ports[name]) for name in ("ws", "wm")),
            "both plugins accepted",
            START_S,
        )
    except BaseException:
        for daemon in (node, epmd):
            if daemon is not None:
                daemon.stop()
        raise
    urls = [Peer(host, ports[name], False, node).url + "/ws" for name in ("ws", "wm")]
    return RabbitMq(urls[0], urls[1], (node, epmd))
