"""The metrics: the board, the parts and the processes off the critical path, as Prometheus reads them.

Process: hmi. Blocks: nowhere. A scrape reads cells and counts; it asks no other process for anything.
Names follow Prometheus' conventions: base units, `_total` for what only grows. What is on the board goes on over
a restart of this process; the histograms and the counts by class begin anew, which `rate` takes for a reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aoi_daemon.hmi.metrics.board import Source, counter, counters, gauge, gauges, of_board
from aoi_daemon.hmi.metrics.parts import Histogram, Parts

__all__ = ["BESIDE_FACTS", "Metric", "Metrics", "Source", "counters"]

_AT_ONCE: Final = 512


class Metrics:
    """All metrics of one line, and `more`. Call `pump` about once a second, so that a scrape has little to count."""

    def __init__(self, source: Source, more: Callable[[], Iterable[Metric]] = tuple) -> None:
        self.source = source
        self.parts = Parts(source.config.line.deadline_ms)
        self._by_bundle: Mapping[int, Sequence[str]] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_LineCollector(source, self.parts, more))

    def pump(self) -> None:
        """Count the parts that have come since the last call; until the product is known they wait in the ring."""
        names = self.source.class_names
        while names is not None and (outcomes := self.source.reader.read(_AT_ONCE)):
            self.parts.add(outcomes, names, self._by_bundle)

    def changed(
        self, class_names: Sequence[str], by_bundle: Mapping[int, Sequence[str]] = MappingProxyType({})
    ) -> None:
        """Another product is judged from now on, by a model with these classes, or several with theirs by bundle."""
        self.pump()
        self.source.class_names = class_names
        self._by_bundle = by_bundle

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics as `accept` (the scraper's header) wants them, and their content type."""
        self.pump()
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _LineCollector(Collector):
    def __init__(self, source: Source, parts: Parts, more: Callable[[], Iterable[Metric]]) -> None:
        self._source = source
        self._parts = parts
        self._more = more

    def describe(self) -> Iterable[Metric]:
        return ()  # registered before there is anything to collect

    def collect(self) -> Iterator[Metric]:
        yield from of_board(self._source)
        yield from _of_parts(self._parts, self._source)
        yield from _of_processes(self._source.facts)
        yield from self._more()


def _of_parts(parts: Parts, source: Source) -> Iterator[Metric]:
    latency = HistogramMetricFamily(
        "aoi_part_latency_seconds", "From the stamp that the deadline counts from to the PLC's verified answer"
    )
    _add(latency, [], parts.latency)
    yield latency
    by_stage = HistogramMetricFamily("aoi_part_stage_seconds", "The same by stage of a part's way", labels=["stage"])
    for name, histogram in parts.stages.items():
        _add(by_stage, [name], histogram)
    yield by_stage
    worst = sorted(parts.rejected.items())
    yield counters("aoi_parts_rejected_by_class", "Rejected parts by the class of their worst defect", "class", worst)
    yield counters("aoi_defects", "Defects that counted, by class", "class", sorted(parts.defects.items()))
    yield counter("aoi_metrics_parts_lost", "Parts that these histograms did not see", source.reader.lost)


def _add(family: HistogramMetricFamily, labels: list[str], histogram: Histogram) -> None:
    buckets = [("+Inf" if bound == inf else repr(bound), float(count)) for bound, count in histogram.cumulative()]
    family.add_metric(labels, buckets, histogram.sum)


def _of_processes(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    well = ((name, bool(said.get("pid")) and said.get("state", "ok") == "ok") for name, said in facts.items())
    yield gauges("aoi_process_up", "1: the process off the path runs, and says that all is well", "process", well)
    ended = ((name, _number(said.get("restarts")) or 0) for name, said in facts.items())
    yield counters("aoi_process_restarts", "Times that the process ended unasked", "process", ended)
    for fact in BESIDE_FACTS:
        value = _number(facts.get(fact.process, {}).get(fact.key))
        if value is not None:
            yield fact.family(fact.name, fact.text, value * fact.scale)


class Fact(NamedTuple):
    """What `process` says under `key`, times `scale`, as the metric `name`."""

    process: str
    key: str
    family: Callable[[str, str, float], Metric]
    name: str
    text: str
    scale: float = 1.0


BESIDE_FACTS: Final = (
    Fact("recorder", "parts", counter, "aoi_recorder_parts", "Parts whose record was written"),
    Fact("recorder", "parts_lost", counter, "aoi_recorder_parts_lost", "Parts whose record was lost"),
    Fact("recorder", "rows_waiting", gauge, "aoi_recorder_rows_waiting", "Records that wait for the disk"),
    Fact("recorder", "pictures", counter, "aoi_recorder_pictures", "Pictures that were written"),
    Fact("recorder", "pictures_lost", counter, "aoi_recorder_pictures_lost", "Pictures that were lost"),
    Fact("recorder", "pictures_waiting", gauge, "aoi_recorder_pictures_waiting", "Pictures that wait for the disk"),
    Fact("recorder", "free_gb", gauge, "aoi_recorder_free_bytes", "Room left on the disk of the records", 1e9),
    Fact("recorder", "longest_write_ms", gauge, "aoi_recorder_write_seconds", "Longest write of late", 1e-3),
    Fact("publisher", "backlog", gauge, "aoi_publisher_backlog", "Messages that the broker has not taken yet"),
    Fact("publisher", "published", counter, "aoi_publisher_results", "Results that the broker has taken"),
    Fact("publisher", "lost", counter, "aoi_publisher_lost", "Messages given up"),
    Fact("notifier", "waiting", gauge, "aoi_notices_waiting", "Notices that are not delivered yet"),
    Fact("notifier", "delivered", counter, "aoi_notices_delivered", "Notices that a server has taken"),
    Fact("notifier", "refused", counter, "aoi_notices_refused", "Notices that a server refused for good"),
    Fact("notifier", "given_up", counter, "aoi_notices_given_up", "Notices given up after notices.give_up_h"),
    Fact("notifier", "held", counter, "aoi_notices_held", "Notices held back by notices.at_most_per_hour"),
    Fact("hmi", "clients", gauge, "aoi_page_clients", "Browsers that show the page"),
)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
