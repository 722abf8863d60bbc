"""What many runs have met: how often each fault, each branch of the shipped program, each reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from aoi_daemon.kit.simulator.structured_text import Text
from aoi_daemon.messages import Reason
from tools.simulation.faults import Kind
from tools.simulation.run import Outcome

_RAREST: Final = 12
"""Branches that are told with their count."""


@dataclass
class Total:
    """The sums over runs."""

    runs: int = 0
    parts: int = 0
    good: int = 0
    let_go: int = 0
    seconds: float = 0.0
    healed: int = 0
    excluded: int = 0
    passed_late: int = 0
    connections: int = 0
    records: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    planned: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """One run more."""
        self.runs += 1
        self.parts += outcome.parts
        self.good += outcome.good
        self.let_go += outcome.let_go
        self.seconds += outcome.seconds
        self.healed += outcome.healed
        self.excluded += outcome.excluded
        self.passed_late += outcome.passed_late
        self.connections += outcome.connections
        self.records += sum(outcome.reasons.values())
        self.struck += outcome.struck
        self.planned += Counter(fault.kind.value for fault in outcome.plan.faults)
        self.reasons += outcome.reasons
        for one in outcome.broken:
            self.broken[one.invariant] += 1

    def merge(self, other: Total) -> None:
        """The runs of another sum."""
        for name, value in vars(other).items():
            if isinstance(value, Counter):
                getattr(self, name).update(value)  # not +: it forgets what was met 0 times
            else:
                setattr(self, name, getattr(self, name) + value)

    def branches(self, text: Text) -> None:
        """What has been counted in `text` since it was read; it is set to 0."""
        for index, branch in enumerate(text.branches):
            if branch.label.endswith(": "):
                continue
            chain = [other for other, one in enumerate(text.branches) if _same_chain(text, index, other)]
            self.taken[branch.label] += text.met[index]
            if branch.first:
                self.not_taken[branch.label] += text.met[branch.parent] - sum(text.met[other] for other in chain)
        text.met[:] = [0] * len(text.met)

    def lines(self) -> list[str]:
        """For a person."""
        found = [
            f"{self.runs} seeds, {self.parts} parts ({self.good} good, {self.let_go} let go), {self.records} records, "
            f"{self.seconds / 3600:.1f} h of line; {self.connections} connections",
            f"invariant 3 was asked of {self.healed} good parts; PASS taken late by the PLC's or the network's fault: "
            f"{self.passed_late}; excluded as two faults that cancel out: {self.excluded}",
            "faults (planned / struck): "
            + ", ".join(f"{kind.value} {self.planned[kind.value]}/{self.struck[kind.value]}" for kind in Kind),
            "reasons: " + ", ".join(f"{reason.name} {self.reasons[reason.name]}" for reason in Reason),
        ]
        never = [label for label, count in self.taken.items() if not count]
        always = [label for label, count in self.not_taken.items() if not count and self.taken[label]]
        found.append(f"branches of the shipped program: {len(self.taken)}, taken {len(self.taken) - len(never)}")
        found += [f"  never taken: {label}" for label in never]
        found += [f"  never left out: {label}" for label in always]
        rarest = sorted(self.taken.items(), key=lambda item: item[1])[:_RAREST]
        found += [f"  {count:9d}  {label}" for label, count in rarest]
        found.append("broken: " + (", ".join(f"{name} {count}" for name, count in self.broken.items()) or "none"))
        return found

    def unmet(self) -> list[str]:
        """What no run has met: it has not been tried."""
        faults = [kind.value for kind in Kind if not self.struck[kind.value]]
        reasons = [reason.name for reason in Reason if not self.reasons[reason.name]]
        return faults + reasons + [label for label, count in self.taken.items() if not count]


def _same_chain(text: Text, index: int, other: int) -> bool:
    """Whether `other` belongs to the IF that `index` begins."""
    branches = text.branches
    parent = branches[index].parent
    if other < index or branches[other].parent != parent:
        return False
    return not any(one.first for one in branches[index + 1 : other + 1] if one.parent == parent)
