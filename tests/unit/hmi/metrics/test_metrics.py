"""The metrics: what they count, what they are called, and what a scrape costs."""

import re
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.hmi.metrics.parts import BOUNDS_S, Histogram, Parts
from aoi_daemon.hmi.metrics.view import BESIDE_FACTS, Metrics, Source
from aoi_daemon.messages import Defect, Outcome, Reason, pack_defects
from aoi_daemon.ring.verdicts import VerdictReader, VerdictWriter
from aoi_daemon.stage.board import MAX_CAMERAS, Board, CameraCell, Cell, Link, StageState, camera_cell, reason_cell
from aoi_daemon.stage.lifecycle import Line

from .conftest import NOW, S

MS = 1_000_000
FACTS = {
    name: {"pid": 7, "restarts": 1, "state": "ok", **{fact.key: 3 for fact in BESIDE_FACTS if fact.process == name}}
    for name in ("recorder", "publisher", "notifier", "hmi")
}
"""What the processes off the critical path say of themselves."""


def config(cameras: int = 2) -> LineConfig:
    return LineConfig.model_validate(
        {"cameras": [{"kind": "genicam", "producer": "x.cti", "name": f"cam{index}"} for index in range(cameras)]}
    )


def outcome(part: int, total_ms: float = 12.0, *, labels: tuple[int, ...] = (), delivered: bool = True, judged: bool = True) -> Outcome:
    """Triggered at 100 ms, deadline 50 ms later, answered `total_ms` after the trigger."""
    trigger = 100 * MS
    stamps = [trigger, trigger + 2 * MS, trigger + 50 * MS]
    stamps += [trigger + 3 * MS, trigger + 8 * MS, trigger + 8 * MS + 200_000] if judged else [0, 0, 0]
    stamps += [trigger + 9 * MS, trigger + int(total_ms * MS) if delivered else 0]
    defects = tuple(Defect(label, 0.5, 0, 0, 1, 1) for label in labels)
    reason = Reason.DEFECT if labels else Reason.NONE
    return Outcome(part, not labels, reason, 0, labels[0] if labels else -1, len(labels), 1, 0, part, 0, 0, 0, *stamps, pack_defects(defects))


@pytest.fixture
def metrics(board, verdict_memory):
    return Metrics(Source(config(), board, VerdictReader(verdict_memory), "f" * 32, lambda: NOW, ("scratch", "hole"), FACTS))


def values(metrics: Metrics) -> dict[str, float]:
    """Every sample as `name{label="value",...}`."""
    text, _ = metrics.text()
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


class TestHistogram:
    def test_a_value_on_a_bound_is_below_it(self):
        histogram = Histogram([1.0, 2.0])
        for value in (0.5, 1.0, 1.5, 2.0, 3.0):
            histogram.add(value)
        assert histogram.cumulative() == [(1.0, 2), (2.0, 4), (float("inf"), 5)] and histogram.sum == 8.0

    def test_bounds_ascend_and_reach_from_a_tenth_of_a_millisecond_over_the_takt(self):
        assert list(BOUNDS_S) == sorted(set(BOUNDS_S)) and BOUNDS_S[0] == 0.0001 and BOUNDS_S[-1] >= 1
        assert sum(0.02 <= bound <= 0.08 for bound in BOUNDS_S) >= 8

    def test_the_deadline_is_a_bound_whatever_it_is(self):
        assert 0.0333 in Parts(33.3).latency.bounds and Parts(33.3).stages["infer"].bounds == Parts(33.3).latency.bounds

    def test_a_verdict_at_the_deadline_is_in_time_and_one_after_is_not(self):
        parts = Parts(50.0)
        parts.add([outcome(1, 50.0), outcome(2, 50.001)])
        assert dict(parts.latency.cumulative())[0.05] == 1


class TestParts:
    def test_times_are_counted_by_stage(self):
        parts = Parts(50.0)
        parts.add([outcome(1)])
        sums = {name: round(histogram.sum, 6) for name, histogram in parts.stages.items()}
        assert sums == {"acquire": 0.002, "queue": 0.001, "infer": 0.005, "decide": 0.0002, "handover": 0.0008, "plc": 0.003}
        assert round(parts.latency.sum, 6) == 0.012

    def test_a_part_without_a_verdict_of_the_model_has_no_stages_and_one_not_delivered_no_latency(self):
        parts = Parts(50.0)
        parts.add([outcome(1, judged=False), outcome(2, delivered=False)])
        assert parts.latency.cumulative()[-1][1] == 1 and parts.stages["infer"].cumulative()[-1][1] == 0

    def test_rejects_count_by_their_worst_class_and_defects_each(self):
        parts = Parts(50.0)
        parts.add([outcome(1, labels=(1, 0, 0)), outcome(2, labels=(1,)), outcome(3), outcome(4, labels=(5,))], ("scratch", "hole"))
        assert parts.rejected == {"hole": 2, "#5": 1}
        assert parts.defects == {"hole": 2, "scratch": 2, "#5": 1}


def test_what_the_board_says_is_what_is_scraped(metrics, board):
    for cell, value in {
        Cell.PARTS: 10, Cell.PASSED: 7, reason_cell(Reason.DEFECT): 2, reason_cell(Reason.LATE): 1, Cell.DEADLINE_MISSES: 4,
        Cell.UNDELIVERED: 5, Cell.RESTARTS: 6, Cell.RELOADS: 8, Cell.RELOADS_REFUSED: 9, Cell.RECONNECTS: 11,
        Cell.HEARTBEATS: 12, Cell.PLC_ROUND_TRIP_NS: 250_000, Cell.ALARMS: mask_of(Alarm.OPTICS), Cell.RECIPE: 3,
        Cell.BUNDLE: -1, camera_cell(1, CameraCell.OVERRUNS): 13, camera_cell(0, CameraCell.FRAME): 20,
        camera_cell(0, CameraCell.RELEASED): 17, camera_cell(0, CameraCell.LAST_FRAME_NS): NOW - 2 * S,
    }.items():  # fmt: skip
        board[cell] = value
    found = values(metrics)
    for name, value in {
        "aoi_ready": 1, "aoi_healthy": 1, "aoi_line_state{state=running}": 1, "aoi_line_state{state=faulted}": 0,
        "aoi_parts_total": 10, "aoi_parts_passed_total": 7, "aoi_parts_rejected_total{reason=defect}": 2,
        "aoi_parts_rejected_total{reason=late}": 1, "aoi_parts_rejected_total{reason=optics}": 0,
        "aoi_deadline_misses_total": 4, "aoi_verdicts_undelivered_total": 5, "aoi_stage_restarts_total": 6,
        "aoi_reloads_total{result=done}": 8, "aoi_reloads_total{result=refused}": 9, "aoi_plc_reconnects_total": 11,
        "aoi_plc_heartbeats_total": 12, "aoi_plc_round_trip_seconds": 0.00025, "aoi_plc_link_up": 1,
        "aoi_alarm_active{alarm=optics,priority=high}": 1, "aoi_alarm_active{alarm=plc_link,priority=high}": 0,
        "aoi_recipe_id": 3, "aoi_bundle_info{bundle=ffffffffffffffff}": 1,
        "aoi_camera_overruns_total{camera=cam1}": 13, "aoi_frame_ring_waiting{camera=cam0}": 3,
        "aoi_camera_last_frame_age_seconds{camera=cam0}": 2, "aoi_golden_passed": 1, "aoi_takt_seconds": 0.05,
        "aoi_stage_ready{stage=acquire-1}": 1, "aoi_process_up{process=recorder}": 1,
        "aoi_process_restarts_total{process=recorder}": 1, "aoi_recorder_free_bytes": 3e9,
        "aoi_recorder_write_seconds": 0.003, "aoi_recorder_parts_lost_total": 3, "aoi_publisher_backlog": 3,
    }.items():  # fmt: skip
        assert found[name] == pytest.approx(value), name
    assert "aoi_camera_last_frame_age_seconds{camera=cam1}" not in found, "it has given none"
    assert not any(name.startswith("aoi_plc_line_running") for name in found), "the PLC is not asked"
    board[Cell.LINE_RUNNING] = 1
    assert values(metrics)["aoi_plc_line_running"] == 1
    assert sum(value for name, value in found.items() if name.startswith("aoi_parts_rejected_total")) == 3


@pytest.mark.parametrize(
    ("cells", "name", "value"),
    [
        ({Cell.SUPERVISOR_NS: NOW - 60 * S}, "aoi_ready", 0),  # whatever READY says
        ({Cell.SUPERVISOR_NS: NOW - 60 * S}, "aoi_supervisor_age_seconds", 60),
        ({Cell.PLC_STATE: StageState.LOST}, "aoi_healthy", 0),
        ({Cell.LINK: Link.DOWN}, "aoi_plc_link_up", 0),
        ({Cell.LINE_STATE: Line.FAULTED}, "aoi_line_state{state=faulted}", 1),
    ],
)
def test_they_tell_the_truth_when_something_is_wrong(metrics, board, cells, name, value):
    for cell, number in cells.items():
        board[cell] = number
    assert values(metrics)[name] == value


def test_parts_of_the_verdict_ring_are_counted_once(metrics, verdict_memory):
    writer = VerdictWriter(verdict_memory)
    for part in range(1, 6):
        writer.append(outcome(part, labels=(0,) if part == 3 else ()))
    metrics.pump()
    found = values(metrics)
    assert found["aoi_part_latency_seconds_count"] == 5
    assert found["aoi_part_latency_seconds_bucket{le=0.015}"] == 5 and found["aoi_part_latency_seconds_bucket{le=0.01}"] == 0
    assert found["aoi_part_stage_seconds_count{stage=infer}"] == 5
    assert found["aoi_parts_rejected_by_class_total{class=scratch}"] == 1


def test_another_product_brings_its_own_class_names(metrics, verdict_memory):
    writer = VerdictWriter(verdict_memory)
    writer.append(outcome(1, labels=(0,)))
    metrics.changed(("crack",))
    writer.append(outcome(2, labels=(0,)))
    found = values(metrics)
    assert found["aoi_defects_total{class=scratch}"] == found["aoi_defects_total{class=crack}"] == 1


def test_parts_wait_until_the_product_and_its_class_names_are_known(board, verdict_memory):
    """The page starts while parts pass: a reject before its first look at the bundle was counted as class #0."""
    metrics = Metrics(Source(config(), board, VerdictReader(verdict_memory), "f" * 32, lambda: NOW))
    writer = VerdictWriter(verdict_memory)
    writer.append(outcome(1, labels=(0,)))
    assert values(metrics)["aoi_part_latency_seconds_count"] == 0
    metrics.changed(("crack",))
    writer.append(outcome(2, labels=(0,)))
    found = values(metrics)
    assert found["aoi_defects_total{class=crack}"] == found["aoi_part_latency_seconds_count"] == 2
    assert not [name for name in found if "#" in name]


def test_parts_are_counted_by_number_where_the_bundle_cannot_be_read(board, verdict_memory):
    metrics = Metrics(Source(config(), board, VerdictReader(verdict_memory), "f" * 32, lambda: NOW))
    VerdictWriter(verdict_memory).append(outcome(1, labels=(0,)))
    metrics.changed(())
    assert values(metrics)["aoi_defects_total{class=#0}"] == 1


def test_parts_that_were_overwritten_are_told(metrics, verdict_memory):
    writer = VerdictWriter(verdict_memory)
    for part in range(1, 8192 + 101):
        writer.append(outcome(part))
    found = values(metrics)
    assert found["aoi_metrics_parts_lost_total"] == 100
    assert found["aoi_part_latency_seconds_count"] == 8192


@pytest.mark.parametrize(
    ("said", "up"),
    [({"pid": 7, "state": "ok"}, 1), ({"pid": 7}, 1), ({"pid": 7, "state": "disk_full"}, 0), ({"pid": 0, "state": "down"}, 0), ({"pid": 0}, 0)],
)
def test_a_process_is_up_when_it_runs_and_says_that_all_is_well(metrics, said, up):
    metrics.source.facts = {"recorder": said}
    assert values(metrics)["aoi_process_up{process=recorder}"] == up


def test_facts_that_are_no_numbers_or_not_there_are_left_out(metrics):
    metrics.source.facts = {"recorder": {"pid": 1, **{fact.key: "many" for fact in BESIDE_FACTS}}}
    assert not any(name.startswith(("aoi_recorder", "aoi_publisher")) for name in values(metrics))
    metrics.source.facts = {}
    assert values(metrics)["aoi_ready"] == 1


NAME = re.compile(r"aoi_[a-z][a-z0-9]*(_[a-z0-9]+)*")
UNITS = ("seconds", "bytes", "total", "info")


def test_names_follow_the_conventions(metrics):
    """Base units, `_total` for counters alone, no unit of another scale, a help text for each."""
    text, _ = metrics.text()
    families = list(text_string_to_metric_families(text.decode()))
    assert len({family.name for family in families}) == len(families) > 40
    for family in families:
        assert NAME.fullmatch(family.name), family.name
        assert family.documentation and not family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        words = family.name.split("_")
        assert not {"ms", "ns", "milliseconds", "minutes", "percent", "kilobytes", "mb"} & set(words), family.name
        for unit in ("seconds", "bytes"):
            assert unit not in words or words[-1] == unit, family.name
        assert not (family.type == "gauge" and words[-1] in ("total", "count", "sum", "bucket")), family.name
        for sample in family.samples:
            assert family.type != "counter" or sample.name == f"{family.name}_total"
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels), sample


def test_a_scraper_that_wants_openmetrics_gets_it(metrics, verdict_memory):
    VerdictWriter(verdict_memory).append(outcome(1))
    text, content_type = metrics.text("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert {family.name for family in openmetrics(text.decode())} > {"aoi_ready", "aoi_part_latency_seconds"}


def test_names_from_files_cannot_break_the_text(board, verdict_memory):
    nasty = 'a"b\\c\nd{}'
    metrics = Metrics(Source(config(), board, VerdictReader(verdict_memory), nasty, lambda: NOW, (nasty,)))
    VerdictWriter(verdict_memory).append(outcome(1, labels=(0,)))
    assert any(nasty in name for name in values(metrics) if name.startswith("aoi_defects"))


def full(board: Board) -> None:
    for cell in range(Cell.REJECTED_FOR + len(Reason)):
        board[cell] = board[cell] or 123_456
    board[Cell.LINE_STATE] = Line.RUNNING
    board[Cell.INSPECTION_STATE] = board[Cell.PLC_STATE] = StageState.READY
    for camera in range(MAX_CAMERAS):
        for cell in CameraCell:
            board[camera_cell(camera, cell)] = NOW
        board[camera_cell(camera, CameraCell.STATE)] = StageState.READY


def test_a_scrape_of_a_full_line_is_small_and_measured(board, verdict_memory, measured):
    """Eight cameras, twenty classes, all processes, and the parts of half a second at a takt of 5 ms."""
    full(board)
    metrics = Metrics(Source(config(MAX_CAMERAS), board, VerdictReader(verdict_memory), "f" * 32, lambda: NOW, (), FACTS))
    writer = VerdictWriter(verdict_memory)
    took = []
    for turn in range(20):
        for part in range(100):
            writer.append(outcome(turn * 100 + part + 1, labels=(part % 20,)))
        began = time.perf_counter()
        text, _ = metrics.text()
        took.append((time.perf_counter() - began) * 1e3)
    measured("/metrics, full line", f"median of 20 scrapes of {len(text) // 1024} KiB", sorted(took)[10])
    assert len(text) < 64 * 1024
