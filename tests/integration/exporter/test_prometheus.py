"""Prometheus itself, promtool, and what ships with the exporter: rules and a dashboard."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.integration.exporter.exporting import endpoint, start, write
from tests.integration.exporter.prometheus import exporting, start_prometheus
from tests.peers.certs import Authority
from tests.peers.peers import Peers
from tests.peers.tools import require_tool
from wsdiag.exporter import occasional
from wsdiag.exporter.config import ExporterConfig, ExporterTarget
from wsdiag.exporter.exporter import Exporter
from wsdiag.records import IdleVerdict, PingReply, Range, utc_now
from wsdiag.transport.dial.options import DialOptions

MONITORING = Path(__file__).parents[3] / "monitoring"
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text())


def promtool(*args: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        [require_tool("promtool"), *args],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=MONITORING,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_rules_are_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", "alerts.yml")


def test_each_alert_fires_on_its_series() -> None:
    files = ("alerts_test.yml", "alerts_week_test.yml")
    assert promtool("test", "rules", *files).count("SUCCESS") == 2
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    fired = {
        case["alertname"]
        for file in files
        for test in yaml.safe_load((MONITORING / file).read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert fired == names


CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: wsdiag
    static_configs: [{{targets: ["{authority}"]}}]
  - job_name: probes
    metrics_path: /probe
    scrape_interval: 2s
    scrape_timeout: 2s
    params: {{module: [talks]}}
    static_configs: [{{targets: ["{target}/echo", "{target}/status/503"]}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "{authority}"}}
"""


def prometheus_yml(url: str, target: str) -> str:
    return CONFIG.format(
        authority=urlsplit(url).netloc, target=target, rules=MONITORING / "alerts.yml"
    )


def test_prometheus_scrapes_it_and_probes_by_it(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    tables = """
[exporter]
allow = ["ws://127.0.0.1:*"]
[module.talks]
send = "hello"
expect = "^hello$"
[defaults]
interval = "100ms"
"""
    drops = f"{url}/lifetime/1?drop=close&code=1001"
    config = write(
        tmp_path / "t.toml", tables, endpoint(url, name="echo"), endpoint(drops, name="drops")
    )
    exporter = start(peers, config)
    prometheus = start_prometheus(peers, tmp_path, prometheus_yml(exporter.url, url))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))
    up = prometheus.until('wsdiag_up{name="echo"} == 1')
    assert up[0]["metric"]["job"] == "wsdiag"
    seen = prometheus.until('wsdiag_drops_total{how="close",code="1001"} > 0')
    assert seen[0]["metric"]["url"] == f"{url}/lifetime/1?drop=close&code=***"
    assert prometheus.until(f'probe_success{{instance="{url}/echo"}} == 1')
    assert prometheus.until(f'probe_success{{instance="{url}/status/503"}} == 0')
    assert prometheus.until('up{job="wsdiag"} == 1')
    assert prometheus.until('scrape_samples_scraped{job="wsdiag"} > 0')
    # what promtool has to say about names, units and help
    assert promtool("check", "metrics", stdin=exporter.get("/metrics").text).strip() == ""
    probed = exporter.get(f"/probe?target={url}/echo&module=talks").text
    assert promtool("check", "metrics", stdin=probed).strip() == ""


def expressions() -> list[str]:
    """Every expression of the dashboard, its variables filled in."""
    found = [DASHBOARD["annotations"]["list"][0]["expr"]]
    for panel in DASHBOARD["panels"]:
        found += [target["expr"] for target in panel.get("targets", ())]
    variables = {"$__rate_interval": "20s", "$name": ".*", "$job": ".*", "[1h]": "[20s]"}
    filled = []
    for expression in found:
        for name, value in variables.items():
            expression = expression.replace(name, value)
        assert "$" not in expression
        filled.append(expression)
    return filled


def rare(exporter: Exporter) -> None:
    """What would take hours to happen: an idle probe's verdict, an outlier, a late Pong."""
    watched = exporter._fleet.watched[0]
    url = watched.target.url
    watched.judged_idle(IdleVerdict(url, "idle-timeout", Range(58.0, 60.0)))
    watched.put_nowait(PingReply(url, 1, utc_now(), 900.0, cause="network"))


@pytest.mark.slow
def test_every_expression_of_the_dashboard_yields_data(
    tmp_path: Path, peers: Peers, ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occasional, "HTTP2_FIRST_S", 0.1)
    monkeypatch.setattr(occasional, "_NO_CONNECTION_S", 0.1)
    secure = peers.websockets(tls=True)
    served, _ = peers.serve()
    targets = (
        ExporterTarget(
            url=secure.url,
            name="tls",
            shown_url=secure.url,
            interval_s=0.1,
            dial=DialOptions(cacert=ca.pem),
        ),
        ExporterTarget(
            url=f"{served}/push/0.1",
            name="feed",
            shown_url=f"{served}/push/0.1",
            interval_s=0.1,
            dial=DialOptions(hello=("subscribe",)),
        ),
        ExporterTarget(
            url=f"{served}/lifetime/1",
            name="drops",
            shown_url=f"{served}/lifetime/1",
            interval_s=0.1,
        ),
        ExporterTarget(url="ws://127.0.0.1:1/", name="gone", shown_url="ws://127.0.0.1:1/"),
    )
    with exporting(ExporterConfig(targets=targets)) as background:
        prometheus = start_prometheus(peers, tmp_path, prometheus_yml(background.url, served))
        prometheus.until('wsdiag_up{name="feed"} == 1')
        background.call(rare)
        prometheus.until("wsdiag_ping_outliers_total > 0")
        background.call(rare)
        for expression in expressions():
            prometheus.until(expression)
        for rule in prometheus.get("rules")["groups"][0]["rules"]:
            assert rule["health"] == "ok", rule


def test_the_dashboard_is_one() -> None:
    assert DASHBOARD["schemaVersion"] >= 39
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    covered: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells, panel["title"]
        covered |= cells
        if panel["type"] != "row":
            assert panel["targets"]
            assert panel["datasource"]["uid"] == "${datasource}"
            letters = [target["refId"] for target in panel["targets"]]
            assert len(letters) == len(set(letters))
        for target in panel.get("targets", ()):
            grouped = re.search(r"\b(?:sum|avg|min|max) by \(([^)]*)\)", target["expr"])
            if grouped is not None:  # a legend names what is left
                named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                assert named <= set(re.split(", *", grouped[1])), panel["title"]
    variables = {each["name"] for each in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource", "job", "name"}


def test_the_manifest_is_one() -> None:
    documents = list(yaml.safe_load_all((MONITORING / "kubernetes.yaml").read_text()))
    kinds = {document["kind"] for document in documents}
    assert kinds == {"ConfigMap", "Secret", "Deployment", "Service"}
    of = {document["kind"]: document for document in documents}
    pod = of["Deployment"]["spec"]["template"]
    container = pod["spec"]["containers"][0]
    assert container["args"][0] == "exporter"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    labels = pod["metadata"]["labels"]
    for selector in (
        of["Deployment"]["spec"]["selector"]["matchLabels"],
        of["Service"]["spec"]["selector"],
    ):
        assert selector.items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert container["args"][-1] == f":{ports['metrics']}"
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] in ports
        assert container[probe]["httpGet"]["path"] in ("/-/ready", "/-/healthy")
    (mount,) = container["volumeMounts"]
    (volume,) = pod["spec"]["volumes"]
    assert (mount["name"], volume["configMap"]["name"]) == (
        volume["name"],
        of["ConfigMap"]["metadata"]["name"],
    )
    file = Path(container["args"][2])
    assert (str(file.parent), file.name in of["ConfigMap"]["data"]) == (mount["mountPath"], True)
    named = set(re.findall(r"\${(\w+)}", of["ConfigMap"]["data"][file.name]))
    assert named <= of["Secret"]["stringData"].keys()


def test_the_manifests_file_of_targets_is_one(tmp_path: Path, peers: Peers) -> None:
    manifest = next(yaml.safe_load_all((MONITORING / "kubernetes.yaml").read_text()))
    path = write(tmp_path / "wsdiag.toml", manifest["data"]["wsdiag.toml"])
    line = ("exporter", "-f", str(path), "--listen", "127.0.0.1:0", "-o", "json")
    running = peers.start_wsdiag(*line, env={"CHAT_TOKEN": "x" * 20})
    assert running.wait_record("exporter.listening")["targets"] == 1
