"""The metrics of the board: line, parts, stages, cameras and PLC. Pure but for reading cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from aoi_daemon import __version__
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarm_list import KINDS, Alarm
from aoi_daemon.hmi.metrics.health import Limits, health, stages
from aoi_daemon.messages import Reason
from aoi_daemon.ring.verdicts import VerdictReader
from aoi_daemon.stage.board import (
    MAX_CAMERAS,
    Board,
    CameraCell,
    Cell,
    Link,
    StageState,
    Stopped,
    camera_cell,
    reason_cell,
)  # fmt: skip
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.version import commit


@dataclass
class Source:
    """What the metrics are read from. `class_names` and `facts` are renewed by whoever learns of new ones.

    `class_names` is None until the product is known; parts are not counted before. () is a product
    whose bundle cannot be read: they are counted by number.

    `facts` is `beside` of the daemon's status: what each process off the critical path last said of itself.
    """

    config: LineConfig
    board: Board
    reader: VerdictReader
    run: str
    clock: Callable[[], int]
    class_names: Sequence[str] | None = None
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def gauge(name: str, text: str, value: float) -> Metric:
    """What goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """What only grows; `_total` is added to its name."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """A counter for each value of `label`."""
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family


def gauges(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    """A gauge for each value of `label`."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values:
        family.add_metric([key], value)
    return family


def of_board(source: Source) -> Iterator[Metric]:
    """Everything that the board says."""
    now_ns = source.clock()
    yield from _line(source, now_ns)
    yield from _counts(source.board)
    yield from _stages(source, now_ns)
    yield from _cameras(source, now_ns)


def _line(source: Source, now_ns: int) -> Iterator[Metric]:
    config, board = source.config, source.board
    about = GaugeMetricFamily("aoi_build_info", "1; version and commit, the line's name, this start of the daemon",
                              labels=["version", "commit", "line", "run"])  # fmt: skip
    about.add_metric([__version__, commit(), config.line.name, source.run], 1)
    yield about
    model = GaugeMetricFamily(
        "aoi_bundle_info", "1; the bundle that judges, by the start of its hash", labels=["bundle"]
    )
    model.add_metric([f"{board[Cell.BUNDLE] & 0xFFFFFFFFFFFFFFFF:016x}"], 1)
    yield model
    now = health(board, now_ns, Limits.of(config))
    yield gauge("aoi_healthy", "1: every process of the daemon moves; the answer of /healthz", now.alive)
    yield gauge("aoi_ready", "1: the PLC has verified READY, and the daemon is alive; the answer of /readyz", now.ready)
    yield gauges("aoi_line_state", "1 for the state that the line is in", "state",
                  ((state.name.lower(), board[Cell.LINE_STATE] == state) for state in Line))  # fmt: skip
    yield gauge("aoi_takt_seconds", "Time from part to part, as configured", config.line.takt_ms / 1e3)
    yield gauge("aoi_deadline_seconds", "Time for a verdict, as configured", config.line.deadline_ms / 1e3)
    yield gauge("aoi_supervisor_age_seconds", "Time since the supervisor last moved",
                 (now_ns - board[Cell.SUPERVISOR_NS]) / 1e9)  # fmt: skip
    active = board[Cell.ALARMS]
    alarms = GaugeMetricFamily("aoi_alarm_active", "1: the alarm is active", labels=["alarm", "priority"])
    for alarm in Alarm:
        alarms.add_metric([alarm.name.lower(), KINDS[alarm].priority.name.lower()], active >> alarm & 1)
    yield alarms


def _counts(board: Board) -> Iterator[Metric]:
    yield counter("aoi_parts", "Parts that have had a verdict", board[Cell.PARTS])
    yield counter("aoi_parts_passed", "Parts that passed", board[Cell.PASSED])
    yield counters("aoi_parts_rejected", "Parts that were rejected, by reason", "reason",
                    ((reason.name.lower(), board[reason_cell(reason)]) for reason in Reason if reason))  # fmt: skip
    yield counter(
        "aoi_deadline_misses", "Verdicts that reached the PLC after their deadline", board[Cell.DEADLINE_MISSES]
    )
    yield counter("aoi_verdicts_undelivered", "Verdicts that the PLC did not answer", board[Cell.UNDELIVERED])
    judged, faults = (
        sum(board[camera_cell(camera, cell)] for camera in range(MAX_CAMERAS))
        for cell in (CameraCell.JUDGED, CameraCell.ENGINE_FAULTS)
    )
    yield counter("aoi_views_judged", "Views that inspection has judged", judged)
    yield counter("aoi_engine_faults", "Faults of the inspection engine", faults)
    yield gauge("aoi_golden_passed", "1: the golden parts had their verdicts", board[Cell.GOLDEN_PASSED])
    yield gauge(
        "aoi_product_proof", "0: not proven, 1: golden parts hold, 2: accepted by a person, 3: after an upgrade",
        board[Cell.PROVEN],
    )  # fmt: skip
    yield gauge("aoi_recipe_id", "Number of the product", board[Cell.RECIPE])
    yield gauge(
        "aoi_stopped_by_rule", "1: a stop rule asks the line to stop", board[Cell.STOPPED_BY_RULE] & Stopped.RULE
    )
    yield gauge(
        "aoi_plc_link_up", "1: the PLC is connected, and the safe state was written", board[Cell.LINK] == Link.UP
    )
    yield gauge(
        "aoi_plc_round_trip_seconds", "Last request to the PLC and its answer", board[Cell.PLC_ROUND_TRIP_NS] / 1e9
    )
    yield counter("aoi_plc_reconnects", "Connections made to the PLC after the first", board[Cell.RECONNECTS])
    yield counter("aoi_plc_heartbeats", "Toggles of HEARTBEAT", board[Cell.HEARTBEATS])
    yield gauge(
        "aoi_plc_verdicts_behind", "Verdicts that the PLC has not taken, where it says so", board[Cell.ACK_BEHIND]
    )
    if board[Cell.LINE_RUNNING] >= 0:
        yield gauge("aoi_plc_line_running", "1: the PLC says that the line runs (absent: it is not asked)",
                     board[Cell.LINE_RUNNING])  # fmt: skip
    yield counters("aoi_reloads", "Reloads of the configuration, by what came of them", "result",
                    (("done", board[Cell.RELOADS]), ("refused", board[Cell.RELOADS_REFUSED])))  # fmt: skip
    yield counter("aoi_stage_restarts", "Stages that ended unasked and were started again", board[Cell.RESTARTS])


def _stages(source: Source, now_ns: int) -> Iterator[Metric]:
    looks = list(stages(source.board, now_ns, Limits.of(source.config)))
    yield gauges("aoi_stage_ready", "1: the stage says that it is ready", "stage",
                  ((look.name, look.state is StageState.READY) for look in looks))  # fmt: skip
    yield gauges("aoi_stage_age_seconds", "Time since the stage last moved", "stage",
                  ((look.name, look.age_ns / 1e9) for look in looks if look.state is StageState.READY))  # fmt: skip


_CAMERA_COUNTERS: Final = (
    (CameraCell.FRAMES, "aoi_camera_frames", "Frames that the camera gave"),
    (CameraCell.INCOMPLETE, "aoi_camera_incomplete", "Frames that were not complete"),
    (CameraCell.MISSED, "aoi_camera_missed", "Triggers without a frame"),
    (CameraCell.OVERRUNS, "aoi_camera_overruns", "Frames whose slot of the ring was needed before they were judged"),
    (CameraCell.REOPENED, "aoi_camera_reopened", "Times that the camera was opened again"),
    (CameraCell.LATE, "aoi_camera_late", "Frames that came after a later one, dropped: their parts were rejected"),
    (CameraCell.DOUBLED, "aoi_camera_doubled", "Frames that came again, dropped"),
    (CameraCell.CLOCK_STEPS, "aoi_camera_clock_steps", "Steps of the camera's clock"),
)


def _cameras(source: Source, now_ns: int) -> Iterator[Metric]:
    names = [camera.name for camera in source.config.cameras]

    def of(cell: CameraCell) -> list[int]:
        return [source.board[camera_cell(index, cell)] for index in range(len(names))]

    present = of(CameraCell.PRESENT)
    yield gauges("aoi_camera_present", "1: the camera gives pictures", "camera", zip(names, present, strict=True))
    for cell, name, text in _CAMERA_COUNTERS:
        yield counters(name, text, "camera", zip(names, of(cell), strict=True))
    last = zip(names, of(CameraCell.LAST_FRAME_NS), strict=True)
    yield gauges("aoi_camera_last_frame_age_seconds", "Time since the camera's last frame", "camera",
                  ((name, (now_ns - at_ns) / 1e9) for name, at_ns in last if at_ns))  # fmt: skip
    waiting = zip(names, of(CameraCell.FRAME), of(CameraCell.RELEASED), strict=True)
    yield gauges("aoi_frame_ring_waiting", "Frames in the ring that inspection has not done with", "camera",
                  ((name, max(0, frame - released)) for name, frame, released in waiting))  # fmt: skip
    slots = ((camera.name, source.config.ring.slots_of(camera)) for camera in source.config.cameras)
    yield gauges("aoi_frame_ring_slots", "Frames that the ring of a camera holds", "camera", slots)
