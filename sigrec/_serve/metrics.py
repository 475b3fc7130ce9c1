"""Renders the metrics in the text format of Prometheus, by prometheus_client."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sigrec._serve.counters import FAMILIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from sigrec._serve.fleet import Shown

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HELP = {
    "sigrec_signals_delivered": "Signals that the kernel delivered",
    "sigrec_signals_handled": "Signals for which a handler of sigrec was called",
    "sigrec_signals_overwritten": "Signals whose detail newer ones have replaced",
    "sigrec_signals_sent": "Signals that the program sent",
    "sigrec_signals_from": "Signals that ask a process to end, by who sent them",
    "sigrec_process_endings": "Processes that ended, by what ended them, and who sent that",
}


class _Collector(Collector):
    def __init__(self, shown: Callable[[], Shown]) -> None:
        self._shown = shown

    def collect(self) -> Iterator[Metric]:
        shown = self._shown()
        for name, labels in FAMILIES.items():
            counter = CounterMetricFamily(name, _HELP[name], labels=labels)
            for values, total in shown.counters[name].items():
                counter.add_metric(values, total)
            yield counter
        for name, help_text, labels, numbers in (
            ("sigrec_signals_pending", "Signals that wait for their handler", ("program", "signal"), shown.pending),
            ("sigrec_processes", "Recorded processes", ("program", "state"), shown.processes),
            ("sigrec_handler_running_seconds", "For how many seconds the handler that has run longest has run", ("program", "signal"), shown.running),
        ):  # fmt: skip
            gauge = GaugeMetricFamily(name, help_text, labels=labels)
            for values, value in numbers.items():
                gauge.add_metric(values, value)
            yield gauge
        unreadable = GaugeMetricFamily(
            "sigrec_recordings_unreadable",
            "Recordings that cannot be read, and why",
            labels=["reason"],
        )
        for reason, count in shown.unreadable.items():
            unreadable.add_metric([reason], count)
        yield unreadable
        yield GaugeMetricFamily(
            "sigrec_scan_seconds", "How long the last look at all of them took", shown.scan_seconds
        )
        for name, help_text, total in (
            ("sigrec_state_write_errors", "How often the state could not be written", shown.write_errors),
            ("sigrec_recordings_missed", "Recordings that were gone before they could be opened", shown.missed),
            ("sigrec_recordings_lost", "Recordings that an earlier sigrec serve knew, and that went while none ran", shown.lost),
        ):  # fmt: skip
            yield CounterMetricFamily(name, help_text, total)


def registry(shown: Callable[[], Shown]) -> CollectorRegistry:
    made = CollectorRegistry(auto_describe=False)
    made.register(_Collector(shown))
    return made


def text(of: CollectorRegistry) -> bytes:
    return generate_latest(of)
