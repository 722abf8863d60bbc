"""One run: a seed's line, its faults, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.plcmap.registers import offset_of
from tools.simulation.daemon import Daemon
from tools.simulation.faults import MILD, OF_LANES, TOO_MANY, Fault, Kind
from tools.simulation.plan import Plan, calm_parts, lasts
from tools.simulation.process import Stuck
from tools.simulation.sightings import Broken
from tools.simulation.timeline import MS, SECOND, chance
from tools.simulation.world import BAD_SHARE, Part, arrivals

_BEGINS_NS: Final = 3 * SECOND
"""From the daemon's start to the first part: the line is ready by then, and the PLC has seen its heartbeat."""
_PULSE: Final = 0.08
"""Of a takt, for which a part covers a photo-eye; and a scan sees it."""
_WANDERS: Final = 0.35
"""Of a takt, by which the way from trigger to gate may vary, less a scan."""
_PER_PART: Final = {
    Kind.MISSES, Kind.TWICE, Kind.GAP, Kind.UNNAMED, Kind.SWAP, Kind.LATE_FRAME, Kind.INCOMPLETE, Kind.EYE_MISSES,
    Kind.EYE_BOUNCES, Kind.PUT_ON, Kind.TAKEN_OFF,
}  # fmt: skip


_COUNTED_LATER: Final = {Kind.LANE_NOT_STARTED, Kind.LANE_CHANGEOVER}
"""Where a lane fails by them."""


@dataclass
class Outcome:
    """What a run found."""

    plan: Plan
    broken: list[Broken]
    parts: int
    let_go: int
    good: int
    struck: Counter[str]
    reasons: Counter[str]
    excluded: int
    passed_late: int
    healed: int
    """Good parts of which invariant 3 says that they pass."""
    seconds: float
    connections: int
    branches: object = None
    trace: list[tuple[int, str]] = field(default_factory=list)


class Run(Daemon):
    """A run of `plan`. `trace`: what happens is written down."""

    def __init__(self, plan: Plan, *, trace: bool = False, every_scan: bool = False) -> None:
        super().__init__(plan, trace=trace, every_scan=every_scan)
        self._arrives = arrivals(plan)
        self._acts: dict[Kind, Callable[[Fault], None]] = {
            Kind.DROP: lambda _: self.network.drop(),
            Kind.RESET: lambda _: self.station.reset_connections(),
            Kind.POWER: lambda fault: self.station.restart(int((0.5 + fault.size) * SECOND)),
            Kind.CABLE: self._cable,
            Kind.ONE_CONNECTION: self._one_connection,
            Kind.CHANGEOVER: lambda _: self._supervisor.change_over(),
            Kind.PLC_KILLED: self._kill_plc,
            Kind.DAEMON_KILLED: self._kill_daemon,
            Kind.DIES: lambda _: self._supervisor.inspection_dies(),
            Kind.HANGS: lambda fault: self._life.inspections.hang(fault, 0),
            Kind.CAMERA_LOST: self._lose_camera,
            Kind.PANEL: self._panel,
            Kind.FORCE: self._force,
            **dict.fromkeys(OF_LANES - {Kind.LANE_SLOW}, self._lose_a_lane),
        }

    def go(self) -> Outcome:
        """From the daemon's start to its end."""
        try:
            self._start_daemon()
            self._plan_parts()
            while not self._ending:
                self._live()
            self.witness.end_of_life(self._life, self._records())
        except Stuck as error:
            self.witness.break_("4", str(error))
        finally:
            for doors in self._doors:
                doors.close()
        self.witness.end()
        calm = self._calm()
        hard = tuple(fault for fault in self.plan.faults if fault.kind not in MILD)
        self.witness.must_pass(calm, self._calm(hard))
        witness = self.witness
        excused_ = [one for one in witness.broken if excused(one, self.plan)]
        broken = [one for one in witness.broken if one not in excused_]
        struck = Counter({kind.value: count for kind, count in self.weather.struck.items()})
        return Outcome(
            self.plan, broken, len(self._parts), len(witness.let_go),
            sum(not part.bad for part in self._parts.values()), struck, witness.reasons, len(excused_),
            witness.passed_late, sum(not self._parts[number].bad for number in calm),
            (self._timeline.now - self._began) / SECOND, len(witness.connects_ns), self.station.branches(), self._trace,
        )  # fmt: skip


    def _check_last_word(self) -> None:
        """What is left in the PLC after an end in order says nothing good."""
        word, report = self.station.memory_of()
        calm = self.plan.parts in self._calm()
        said = report[offset_of("verdict")] or report[offset_of("flags")]
        if calm and (word & ~(1 << Coil.RESULT_TOGGLE) or said):
            self.witness.break_("safe last", f"after the end the coils are {word:#06x}, the registers {report}")

    # -- parts ----------------------------------------------------------------------

    def _plan_parts(self) -> None:
        plan, timeline = self.plan, self._timeline
        first = timeline.now + _BEGINS_NS
        shape = plan.shape
        for number, at in enumerate(self._arrives):
            arrives = first + at
            swing = _WANDERS * shape.takt - shape.scan
            wander = int((2 * chance(plan.seed, 30, number) - 1) * swing)
            bad = chance(plan.seed, 31, number) < BAD_SHARE
            view = int(chance(plan.seed, 32, number) * shape.views)
            part = Part(number + 1, bad, view, arrives, arrives + shape.gate + wander)
            self._parts[part.number] = part
            timeline.at(arrives, self._arrives_at_camera, part)
        for fault in plan.faults:
            begins = self._parts[min(fault.at, plan.parts)].arrives
            swing = int((chance(plan.seed, 33, fault.at) - 0.5) * shape.takt)
            timeline.at(begins + swing, self._strike, fault)
        last = max(part.at_gate for part in self._parts.values())
        timeline.at(last + shape.takt, self._stop)

    def _stop(self) -> None:
        self._ending = True
        self._supervisor.over = True
        self._here.order(do="stop")

    def _until(self, fault: Fault) -> int:
        end = self._parts[min(fault.end, self.plan.parts)].arrives - self.plan.shape.takt // 4
        return max(end, self._timeline.now + 5 * MS)

    def _strike(self, fault: Fault) -> None:
        """A fault begins; those that strike each part are asked for with the part."""
        weather, kind = self.weather, fault.kind
        if self.witness.note:
            self.witness.note(f"FAULT {fault}")
        if kind in _PER_PART:
            return
        act = self._acts.get(kind)
        if act is None:
            weather.begin(fault, self._until(fault))  # it strikes request by request, and is counted there
            return
        act(fault)
        if kind not in _COUNTED_LATER:
            weather.count(kind)

    def _cable(self, fault: Fault) -> None:
        self.weather.begin(fault, self._timeline.now + int(fault.size * fault.parts * 150 * MS) + 5 * MS)

    def _one_connection(self, fault: Fault) -> None:
        until = self._timeline.now + int(fault.size * 800 * MS) + 50 * MS
        self.weather.begin(fault, until)
        self._timeline.at(until, self.station.forget_connections)
        if self._last_line is not None and self._last_line.open:
            self._last_line.break_off_here()

    def _lose_a_lane(self, fault: Fault) -> None:
        self._life.inspections.strike(fault)
        if fault.kind is Kind.LANE_NOT_STARTED:
            self._supervisor.inspection_dies()
        elif fault.kind is Kind.LANE_CHANGEOVER:
            self._supervisor.change_over()

    def _kill_plc(self, fault: Fault) -> None:
        self._outside.dies_at = self._outside.calls + 1 + int(fault.size * 300)

    def _panel(self, fault: Fault) -> None:
        self.station.panel(fault.size)
        self._timeline.at(self._until(fault), self.station.panel, 0.0)

    def _force(self, fault: Fault) -> None:
        self._here.order(do="force", word=int(fault.size * 0xFFFF), number=1)

    def _kill_daemon(self, fault: Fault) -> None:
        if self._ending:
            return
        if fault.size < 0.5:
            # The supervisor alone: the stages end with it, and plc writes the safe state first.
            self._stopped_daemon = True
            self._end_daemon()
            self._here.order(do="stop")
        else:
            self._power_cut = True
            self._end_daemon()
            self._outside.dies_at = self._outside.calls + 1 + int(fault.size * 50)
            self._timeline.woken = True

    def _lose_camera(self, fault: Fault) -> None:
        camera = int(fault.size * self.plan.shape.cameras)
        life, until = self._life, self._timeline.now + int((0.1 + fault.size) * SECOND)
        self._cameras.away_until_ns[camera] = until
        life.camera_is(camera, there=False)
        self._supervisor.keeper.wake_plc()

        def back() -> None:
            if not life.over:
                life.camera_is(camera, there=True)

        self._timeline.at(until, back)

    def _faults_of(self, part: Part) -> set[Kind]:
        found = set()
        for fault in self.plan.faults:
            if fault.kind in _PER_PART and fault.at <= part.number < fault.end:
                found.add(fault.kind)
                self.weather.count(fault.kind)
        return found

    def _arrives_at_camera(self, part: Part) -> None:
        timeline, shape = self._timeline, self.plan.shape
        now, pulse = timeline.now, max(int(_PULSE * shape.takt), int(1.3 * shape.scan))
        faults = self._faults_of(part)
        if self.witness.note:
            words = ", ".join(sorted(kind.value for kind in faults))
            self.witness.note(f"part {part.number} {'bad' if part.bad else 'good'} arrives {words}")
        if Kind.EYE_MISSES not in faults:
            part.trigger_id = self.station.numbers + 1
            if Kind.EYE_BOUNCES in faults:
                half = pulse // 3  # a scan may see one, or two
                self.station.eye(part.number, now, now + half)
                self.station.eye(part.number, now + 2 * half, now + pulse)
            else:
                self.station.eye(part.number, now, now + pulse)
        if Kind.TAKEN_OFF not in faults:
            timeline.at(part.at_gate, self.station.gate, part.number, part.at_gate, part.at_gate + pulse)
        else:
            part.ejected = True
        if Kind.PUT_ON in faults:
            # Between two parts: in the very place of one it is that one, and no program can know.
            put = part.arrives + shape.gate + shape.takt // 2
            timeline.at(put, self.station.gate, -part.number, put, put + pulse // 2)
        self._cameras.triggered(part, faults)

    def _before(self, fault: Fault) -> int:
        """How many parts before its own a fault may hit: with the PLC's power goes what is known of all on the belt."""
        return 2 + (self.plan.shape.gate // self.plan.shape.takt + 1) * (fault.kind is Kind.POWER)

    def _calm(self, faults: tuple[Fault, ...] | None = None) -> list[int]:
        """The parts that must pass when they are good: long after one episode and before the next, of `faults`."""
        plan = self.plan
        heals = calm_parts(plan.shape)
        troubled = {
            number
            for fault in (plan.faults if faults is None else faults)
            for number in range(fault.at - self._before(fault), fault.end + heals + lasts(fault, plan.shape))
        }
        return [number for number in self._parts if number not in troubled]


def excused(broken: Broken, plan: Plan) -> bool:
    """The exception of plc/README.md: two faults that cancel out, a verdict too many and one too few in one window."""
    if broken.invariant != "1":
        return False
    near = [fault for fault in plan.faults if fault.at - 2 <= abs(broken.part) <= fault.end + 2]
    return len(near) > 1 and any(fault.kind in TOO_MANY for fault in near)
