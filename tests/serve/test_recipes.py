"""The files of examples/fleet: each is tried with the program that it is for, where that is installed."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import wait_until

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
FLEET = ROOT / "examples" / "fleet"
pytestmark = pytest.mark.skipif(not FLEET.is_dir(), reason="no source tree here")


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} here")


def names():
    """Of all metrics that there are, as they are documented."""
    text = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    return set(re.findall(r"^\| `(sigrec_\w+)`", text, re.M))


def test_alerts_and_dashboard_ask_for_metrics_that_there_are():
    rules = yaml.safe_load((FLEET / "alerts.yml").read_text())["groups"][0]["rules"]
    dashboard = json.loads((FLEET / "dashboard.json").read_text())
    asked = [rule["expr"] for rule in rules]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for expression in asked:
        found = set(re.findall(r"sigrec_\w+", expression))
        assert found and found <= names(), expression
    tested = yaml.safe_load((FLEET / "alerts_test.yml").read_text())["tests"][0]
    fired = {one["alertname"] for one in tested["alert_rule_test"] if "exp_alerts" in one}
    assert fired == {rule["alert"] for rule in rules}


def test_panels_do_not_overlap():
    panels = json.loads((FLEET / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(p["gridPos"]["x"] // 12, p["gridPos"]["y"] // 8) for p in panels]
    assert len(set(places)) == len(panels)


@pytest.mark.long
def test_the_dashboard_is_what_grafana_has_dashboards_be():
    """By the types that Grafana generates from its schema: nothing is lost, and nothing changed."""
    pytest.importorskip("grafana_foundation_sdk")
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    raw = json.loads((FLEET / "dashboard.json").read_text())
    made = json.loads(json.dumps(Dashboard.from_json(raw), cls=JSONEncoder))

    def within(one, other, at=""):
        if isinstance(one, dict):
            for key in one:
                within(one[key], other[key], f"{at}/{key}")
        elif isinstance(one, list):
            assert len(one) == len(other), at
            for n, pair in enumerate(zip(one, other, strict=True)):
                within(*pair, f"{at}/{n}")
        else:
            assert one == other, at

    within(raw, made)


@pytest.mark.long
@needs("promtool")
@pytest.mark.parametrize("what", [("check", "alerts.yml"), ("test", "alerts_test.yml")])
def test_each_alert_fires_when_it_is_to(what):
    done = subprocess.run(
        ["promtool", what[0], "rules", FLEET / what[1]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@needs("systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    program = tmp_path / "sigrec"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for unit in [*FLEET.glob("*.service"), *FLEET.glob("*.timer")]:
        text = unit.read_text().replace("/usr/local/bin/sigrec", str(program))
        (tmp_path / unit.name).write_text(text)
    for unit in tmp_path.glob("*.[st]*"):
        done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), unit.name


@pytest.mark.long
def test_kubernetes_takes_the_objects():
    validate = pytest.importorskip("kubernetes_validate")
    found = list(yaml.safe_load_all((FLEET / "kubernetes.yaml").read_text()))
    assert [one["kind"] for one in found] == ["DaemonSet", "Pod", "Pod"]
    for one in found:
        validate.validate(one, "1.32", strict=True)


@pytest.mark.long
@needs("prometheus-node-exporter")
def test_node_exporter_shows_the_textfile(serve, worker, tmp_path):
    p = worker()
    directory = tmp_path / "textfile"
    directory.mkdir()
    serve("--textfile", directory / "sigrec.prom", listen=None)
    wait_until((directory / "sigrec.prom").exists)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    exporter = subprocess.Popen(
        ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults",
         "--collector.textfile", f"--collector.textfile.directory={directory}"],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def shown():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return answer.read().decode()
        except OSError:
            return ""

    try:
        wait_until(shown)
        assert 'sigrec_processes{program="worker.py",state="alive"} 1\n' in shown()
        assert "node_textfile_scrape_error 0\n" in shown()
    finally:
        exporter.kill()
        exporter.wait()
    assert p.process.poll() is None


def event(tmp_path, run_directory):
    """As docs/howto/logging.md makes it."""
    text = (ROOT / "docs" / "howto" / "logging.md").read_text()
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "event = {" in b)
    code = "import json, sys\n" + block.replace("print(event", "print(json.dumps(event)); (event")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.long
def test_sentry_takes_the_report(tmp_path, run_directory):
    sentry_sdk = pytest.importorskip("sentry_sdk")
    from sentry_sdk.transport import Transport

    sent = []

    class Kept(Transport):
        def capture_envelope(self, envelope):
            sent.append(envelope)

    wanted = event(tmp_path, run_directory)
    client = sentry_sdk.Client(
        dsn="http://key@127.0.0.1:9/1", transport=Kept, default_integrations=False
    )
    assert client.capture_event(dict(wanted))
    found = sent[0].get_event()
    assert {key: found[key] for key in ("message", "level", "tags")} == {
        key: wanted[key] for key in ("message", "level", "tags")
    }
    assert [one["source"] for one in found["extra"]["evidence"]] == [
        one["source"] for one in wanted["extra"]["evidence"]
    ]


@pytest.mark.long
def test_opentelemetry_takes_the_report(tmp_path, run_directory):
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import LoggerProvider, export

    kept = getattr(export, "InMemoryLogRecordExporter", None) or export.InMemoryLogExporter
    exporter, provider = kept(), LoggerProvider()
    provider.add_log_record_processor(export.SimpleLogRecordProcessor(exporter))
    wanted = event(tmp_path, run_directory)
    record = LogRecord(timestamp=1, body=wanted["message"], attributes=wanted["tags"])
    provider.get_logger("sigrec").emit(record)
    (found,) = exporter.get_finished_logs()
    assert found.log_record.body == wanted["message"]
    assert dict(found.log_record.attributes) == wanted["tags"]
    assert wanted["tags"]["signal"] == signal.SIGTERM.name
