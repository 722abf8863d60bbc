"""What a seed is: a line, and what goes wrong on it. Within what aoi_daemon/plc/README.md states as the contract.

A run is calm, then an episode of one fault or of two at once, then calm again until it has healed, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeVar

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.timing import timing_of
from aoi_daemon.plcmap.program import HEALS_WITHIN, Variant
from tools.simulation.faults import OF_LANES, STEPS, Fault, Kind
from tools.simulation.timeline import MS, SECOND, chance

T = TypeVar("T")


_ONCE: Final = {
    Kind.DROP, Kind.RESET, Kind.POWER, Kind.CHANGEOVER, Kind.PLC_KILLED, Kind.DAEMON_KILLED, Kind.DIES, Kind.HANGS,
    Kind.CAMERA_LOST, Kind.LANE_HANGS, Kind.LANE_DIES, Kind.LANE_NOT_STARTED, Kind.LANE_CHANGEOVER,
}  # fmt: skip
"""They happen once in their episode, and last as long as it takes."""
_OFTEN: Final = (Kind.SLOW, Kind.OLD_AFTER_NEW, Kind.DELAY, Kind.STARVED, Kind.UNNAMED)
"""Twice as often as the others, and for longer: there are many moments that they can hit."""
_UNTOLD: Final = STEPS | {Kind.CAMERA_LOST, Kind.DAEMON_KILLED}
"""Meanwhile parts may pass the photo-eye that the daemon is not told of, or be seen twice."""
_EPISODE: Final = 8
"""Two faults that begin within so many parts are of one episode."""


@dataclass(frozen=True)
class Shape:
    """The line. Times in ns, `answer` and others as the configuration names them."""

    takt: int
    scan: int
    deadline: int
    answer: int
    late: int
    """sensor_to_frame_ms."""
    variant: Variant
    polled: bool
    cameras: int
    stamped: bool
    numbered: bool
    """Frames carry the PLC's number of their trigger."""
    threads: bool
    """The PLC's server works connections off side by side; else in one line."""
    in_scan: bool
    """It works requests off between two scans; else as they come."""
    gate: int
    watched: bool
    confirmed: bool
    named: bool = False
    """The recipe names its views."""
    lanes: int = 1
    """`inspection.lanes`."""
    turned: bool = False
    """And the first camera takes a second picture of each part, in another field of view."""

    @property
    def views(self) -> int:
        """Pictures of a part: one of each camera, then the first one's second."""
        return self.cameras + self.turned

    def picture(self, view: int) -> tuple[int, int]:
        """Camera and field of view of picture number `view`."""
        return (view, 0) if view < self.cameras else (0, 1)

    @property
    def registers(self) -> bool:
        """The daemon writes registers."""
        return self.variant is not Variant.COILS

    @lru_cache(maxsize=256)  # noqa: B019  # as many as there are lines, for the life of the program
    def config(self) -> LineConfig:
        """`line.toml` of this line."""
        answer_ms = self.answer / MS
        period_ms = max(20.0, 2 * answer_ms)
        poll: dict[str, object] = {"base": 100, "period_ms": period_ms}
        if self.watched:
            poll["watch_ms"] = max(600.0, 6 * period_ms)
        if self.confirmed:
            poll["confirm_parts"] = 4
        return LineConfig.model_validate(
            {
                "line": {"takt_ms": self.takt / MS, "deadline_ms": self.deadline / MS},
                "cameras": [
                    {"name": f"c{n}", "kind": "replay", "source": ".", "sensor_to_frame_ms": self.late / MS}
                    for n in range(self.cameras)
                ],
                "supervisor": {"restarts": 100},
                "inspection": {"lanes": self.lanes, "backend": "onnx"},
                "views_ms": 1.0 + 1.2 * self.late / MS,
                "plc": {
                    "answer_ms": answer_ms,
                    "timeout_ms": max(1.0, 2 * answer_ms),
                    "heartbeat_ms": max(100.0, 2.5 * self.scan / MS),
                    "reconnect_max_ms": 300.0,
                    **({"registers": {"base": 0}} if self.registers else {}),
                    **({"poll": poll} if self.polled else {}),
                },
            }
        )


@dataclass(frozen=True)
class Plan:
    """A run: `seed` decides all that is left to chance, `faults` what goes wrong."""

    seed: int
    parts: int
    shape: Shape
    faults: tuple[Fault, ...]

    def without(self, fault: Fault) -> Plan:
        """The same run with one fault less."""
        return replace(self, faults=tuple(one for one in self.faults if one is not fault))


FIRST_PART: Final = 12
"""Before it all is well, so that the program knows how quick a PASS is."""
_SCANS_MS: Final = (0.5, 1, 2, 2, 5, 10, 10, 20, 60)
_TAKTS_MS: Final = (12, 20, 30, 50, 50, 50, 80, 120, 320, 450)
_ANSWERS_MS: Final = (110.0, 18.0, 6.0, 3.0, 1.5)


def shape_of(seed: int) -> Shape:
    """The line of `seed`: one that `check-config` takes."""
    scan_ms = _pick(_SCANS_MS, chance(seed, 1))
    takt_ms = _pick([takt for takt in _TAKTS_MS if takt >= 5 * scan_ms], chance(seed, 2))
    variant = _pick(list(Variant), chance(seed, 3))
    deadline_ms = takt_ms - scan_ms - _pick((0.0, 0.1), chance(seed, 4)) * takt_ms
    late_ms = _pick((0.0, 0.0, 0.02), chance(seed, 5)) * takt_ms
    slowest = _pick(_ANSWERS_MS, chance(seed, 6))
    in_scan = chance(seed, 7) < 0.4
    polled = chance(seed, 10) < 0.5
    shape = Shape(
        takt=round(takt_ms * MS), scan=round(scan_ms * MS), deadline=round(deadline_ms * MS), answer=0,
        late=round(late_ms * MS), variant=variant, polled=polled, cameras=1 + (chance(seed, 8) < 0.2),
        stamped=chance(seed, 9) < 0.5, numbered=polled and variant is not Variant.COILS and chance(seed, 11) < 0.5,
        threads=chance(seed, 12) < 0.5, in_scan=in_scan,
        gate=round(_pick((1.6, 2.4, 4.4), chance(seed, 13)) * takt_ms * MS), watched=chance(seed, 14) < 0.5,
        confirmed=False,
    )  # fmt: skip
    for answer_ms in (*(answer for answer in _ANSWERS_MS if answer <= slowest), 0.7):
        least_ms = scan_ms + 0.6 if in_scan else 0.6
        found = replace(shape, answer=round(max(answer_ms, least_ms) * MS))
        if _fits(found):
            break
        if answer_ms < least_ms and in_scan:
            in_scan = False
            shape = replace(shape, in_scan=False)
    # The program's own heartbeat toggles each 100 ms, and is to be read more often than that.
    found = replace(found, watched=found.watched and polled and max(20.0, 2 * found.answer / MS) < 90 and scan_ms <= 10)
    confirmed = polled and max(20.0, 2 * found.answer / MS) * 3 <= takt_ms and chance(seed, 15) < 0.5
    found = replace(found, confirmed=confirmed, named=found.cameras > 1 and chance(seed, 16) < 0.7)
    three = replace(found, turned=True)
    found = three if found.named and chance(seed, 17) < 0.6 and _fits(three) else found
    return _with_lanes(seed, found) if found.cameras > 1 and chance(seed, 18) < 0.7 else found


def _with_lanes(seed: int, shape: Shape) -> Shape:
    """Two lanes, or up to three where a third camera leaves time for a judgement; as it is where two do not."""
    if shape.cameras == 1:
        two = replace(shape, cameras=2)
        if not _fits(two):
            return shape
        shape = two
    wider = replace(shape, cameras=3, lanes=2 + (chance(seed, 19) < 0.5))
    return wider if chance(seed, 27) < 0.4 and _fits(wider) else replace(shape, lanes=2)


def judge_of(shape: Shape) -> tuple[int, int]:
    """How long the judgement of all views of a part takes, ns: at least, at most.

    It comes no sooner than a scan after the trigger: a verdict that is seen in the trigger's own scan proves nothing.
    """
    config = shape.config()
    left = round(timing_of(config.line, config.plc, shape.late / MS).judge_ms * MS)
    return round(1.1 * shape.scan) + shape.late + MS // 5, round(0.9 * left)


def _fits(shape: Shape) -> bool:
    """`check-config` takes it, and a judgement has room between a scan and its cutoff."""
    try:
        # Whether its heartbeat can be watched is asked when it is known how fast it answers.
        least, most = judge_of(replace(shape, watched=False))
    except ValueError:
        return False
    return least * shape.views < most


def heals_ns(shape: Shape) -> int:
    """So long after the last fault nothing is left of it but the sequence.

    The longest back-off, the time-outs of a connection, the program's patience with the heartbeat, and a stage that is
    started anew.
    """
    plc = shape.config().plc
    patience_ms = 3 * plc.heartbeat_ms + plc.timeout_ms
    return round((plc.reconnect_max_ms + 200 + 3 * plc.timeout_ms + patience_ms + 2 * plc.heartbeat_ms + 700) * MS)


def calm_parts(shape: Shape) -> int:
    """Parts after an episode until every good part must pass again."""
    return -(-heals_ns(shape) // shape.takt) + shape.gate // shape.takt + HEALS_WITHIN + 2


def started_after(shape: Shape) -> int:
    """Parts that come while a PLC that lost its power starts, and the link is made again."""
    return int(2.4 * SECOND) // shape.takt + 2


def pauses(plan: Plan) -> set[int]:
    """The parts before a pause of two seconds, which plc/README.md asks for where a PLC has started again.

    Until a part has passed, nothing else tells it that of a trigger no verdict is owed, or that two are of one part.
    """
    found = set()
    for power in plan.faults:
        if power.kind is Kind.POWER:
            last = power.at + started_after(plan.shape) - 1
            near = [other for other in plan.faults if other.kind in _UNTOLD and abs(other.at - power.at) < _EPISODE]
            found.add(max([last, *(other.end + lasts(other, plan.shape) for other in near)]))
    return found


def lasts(fault: Fault, shape: Shape) -> int:
    """Parts for which `fault` goes on after its last one, or its healing takes longer than `heals_ns`."""
    if fault.kind is Kind.POWER:
        return started_after(shape) + 4  # and then until a part has passed: a pause alone would find what is owed
    lasts_s = {
        Kind.DAEMON_KILLED: 3.0,  # where no scan saw the safe state of the new one
        Kind.HANGS: 2.7,
        Kind.LANE_HANGS: 2.7,
        Kind.LANE_NOT_STARTED: 3.7,  # a lane that hangs as it opens its engine, after the restart of the one that died
        Kind.LANE_CHANGEOVER: 3.7,  # or in the standby, and then the change goes on
        Kind.CAMERA_LOST: 1.1,
        Kind.CABLE: 0.15 * fault.parts,
        Kind.ONE_CONNECTION: 0.85,
    }.get(fault.kind, 0.0)
    return int(lasts_s * SECOND) // shape.takt + 1


def plan_of(seed: int, parts: int, only: Kind | None = None) -> Plan:
    """The run of `seed` with about `parts` parts; `only`: nothing else goes wrong, on a line that has what it needs."""
    shape = shape_of(seed)
    if only in OF_LANES and shape.lanes == 1:
        shape = _with_lanes(seed, shape)
    calm = calm_parts(shape)
    faults: list[Fault] = []
    at, episode = FIRST_PART, 0
    kinds = [kind for kind in Kind if _can_be(kind, shape)]
    kinds += [kind for kind in _OFTEN if _can_be(kind, shape)]
    if only is not None:
        kinds = [only] if only in kinds else []
    while kinds and at < parts:
        episode += 1
        longest = 0
        chosen = [_pick(kinds, chance(seed, 20, episode))]
        if chance(seed, 21, episode) < 0.45:
            chosen.append(_pick(kinds, chance(seed, 22, episode)))
        for number, kind in enumerate(chosen):
            mark = 10 * episode + number
            begins = at + int(4 * chance(seed, 23, mark))
            most = 16 if kind in _OFTEN else 8
            span = 1 if kind in _ONCE else 1 + int(most * chance(seed, 24, mark) ** 2)
            fault = Fault(kind, begins, span, chance(seed, 25, mark))
            faults.append(fault)
            longest = max(longest, fault.end + lasts(fault, shape))
        at = longest + calm + 3 + int(6 * chance(seed, 26, episode))
    return Plan(seed, max(parts, at), shape, tuple(faults))


def _can_be(kind: Kind, shape: Shape) -> bool:
    if kind in (Kind.NOISE, Kind.PANEL):
        return shape.polled
    if kind in (Kind.LATE_FRAME, Kind.SWAP):
        # Without stamps a frame that is later than sensor_to_frame_ms is outside of the contract.
        return shape.stamped
    if kind in OF_LANES:
        return shape.lanes > 1
    if kind is Kind.UNNAMED:
        return shape.named
    # With long scans there is no place between two parts that TRAVEL_MIN and TRAVEL_MAX tell from theirs.
    return kind is not Kind.PUT_ON or shape.scan * 25 <= shape.takt


def _pick(choices: Sequence[T], at: float) -> T:
    return choices[int(at * len(choices))]
