"""What a run of the line was worth: the daemon's account of each part beside the PLC's. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aoi_daemon.kit.simulator.records import Event, PartRecord
from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.stage.status import STAGES, latency_ms, quantiles, stage_times_ms


class Tally:
    """Collects outcomes as they come; `summary` gives the figures so far. Keeps a few floats for each part."""

    def __init__(self) -> None:
        self.parts = self.passed = self.misses = self.undelivered = 0
        self.reasons: dict[str, int] = {}
        self.latencies_ms: list[float] = []
        self.stages_ms: dict[str, list[float]] = {name: [] for name in STAGES}
        self.verdicts: dict[int, bool] = {}
        self.missed_ns: list[tuple[int, int]] = []  # from when to when the parts were on their way

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take in what became of some parts."""
        for part in outcomes:
            self.parts += 1
            self.passed += part.passed
            self.verdicts[part.sequence] = part.passed
            if part.reason:
                name = Reason(part.reason).name
                self.reasons[name] = self.reasons.get(name, 0) + 1
            self.undelivered += not part.answered_ns
            self.misses += part.missed
            if part.missed or part.reason == Reason.NO_IMAGE:
                # One without an image went past up to its time before the next one told of it.
                since_ns = part.trigger_ns or 2 * part.ready_ns - part.deadline_ns
                self.missed_ns.append((since_ns, part.answered_ns or part.deadline_ns))
            if part.answered_ns:
                self.latencies_ms.append(latency_ms(part))
            for name, value in (stage_times_ms(part) or {}).items():
                self.stages_ms[name].append(value)

    def latency(self, last: int = 0) -> dict[str, float]:
        """From the frame in the ring to the PLC's verified answer, ms; of the `last` parts (0: of all)."""
        return quantiles(self.latencies_ms[-last:])

    def report(self, plc: Mapping[str, Any], plc_parts: Sequence[PartRecord]) -> dict[str, Any]:
        """The figures of a complete run as JSON.

        Args:
            plc: the simulator's counters.
            plc_parts: what the simulator saw of each part.

        `line_escapes` are parts that the PLC let pass though the daemon had not passed them: the
        line's fault. All other escapes and false calls are the model's.
        """
        line_escapes = [
            part.number for part in plc_parts if not part.ejected and not self.verdicts.get(part.number, False)
        ]
        return {
            "parts": plc["parts"],
            "judged": self.parts,
            "passed": self.passed,
            "rejected": self.parts - self.passed,
            "rejected_for": self.reasons,
            "escapes": plc["escape"],
            "false_calls": plc["false_call"],
            "line_escapes": line_escapes,
            "missed": plc["missed"] + plc["refused"],
            "deadline_misses": self.misses,
            "undelivered": self.undelivered,
            "latency_ms": self.latency(),
            "stages_ms": {name: quantiles(values) for name, values in self.stages_ms.items()},
            "plc": dict(plc),
        }


def readiness(events: Iterable[Event], parts: Iterable[PartRecord], since_ns: int) -> dict[str, Any]:
    """READY after something happened at `since_ns`, by the PLC's account, and the parts meanwhile.

    Returns:
        `ready_0_ms` and `ready_again_ms` after `since_ns` (None: never); of the parts triggered between it and
        READY again, `parts_between` and, by number, `passed_between`; `passed_after`, of those after it.
    """
    watched = [event for event in events if event.at_ns >= since_ns and event.kind in ("ready", "not_ready")]
    dropped_ns = next((event.at_ns for event in watched if event.kind == "not_ready"), None)
    again_ns = next(
        (event.at_ns for event in watched if event.kind == "ready" and event.at_ns > (dropped_ns or math.inf)), None
    )
    later = [part for part in parts if part.trigger_ns >= since_ns]
    between = [part for part in later if again_ns is None or part.trigger_ns < again_ns]
    return {
        "ready_0_ms": None if dropped_ns is None else round((dropped_ns - since_ns) / 1e6, 1),
        "ready_again_ms": None if again_ns is None else round((again_ns - since_ns) / 1e6, 1),
        "parts_between": len(between),
        "passed_between": [part.number for part in between if not part.ejected],
        "passed_after": sum(not part.ejected for part in later) - sum(not part.ejected for part in between),
    }


def line_failed(report: Mapping[str, Any]) -> list[str]:
    """What the line, not the model, did wrong; empty when it did its work."""
    problems = []
    if report["missed"] or report["parts"] != report["judged"]:
        problems.append(f"{report['missed']} of {report['parts']} parts had no verdict in their window")
    if report["deadline_misses"]:
        problems.append(f"{report['deadline_misses']} deadlines were missed")
    if report["undelivered"]:
        problems.append(f"{report['undelivered']} verdicts did not reach the PLC")
    if report["line_escapes"]:
        problems.append(f"parts {report['line_escapes']} passed without a PASS of the daemon")
    reasons = report["rejected_for"]
    judged = report["passed"] + reasons.get(Reason.DEFECT.name, 0)
    if not report["passed"] and 2 * judged < report["judged"]:
        # Each was rejected in time, as it must be; a line that does nothing else is none.
        most = max(reasons, key=lambda name: reasons[name])
        remedy = "; end what else loads this PC, run it as root, or give it a longer --takt-ms"
        said = f"no part passed: of {report['judged']}, {reasons[most]} were rejected for {most}"
        problems.append(said + remedy * (most == Reason.LATE.name))
    return problems
