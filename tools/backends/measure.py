"""One round of one case: executor and floor, a process each, take turns in blocks.

Times: those of the children, who measure each call by themselves; ns.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from tools.backends.stats import figures, over
from tools.backends.turns import Contestant

ROLES: Final = ("floor", "executor")
_OPEN_S: Final = 300.0
_ANSWER_S: Final = 300.0
_BLOCK_NS: Final = 250_000_000
_FIRST_BLOCK: Final = 3
_WARM_UP_RUNS: Final = {"onnx": 5, "openvino": 5, "tensorrt": 200}


@dataclass
class Found:
    """What has been measured of one case so far."""

    took_ns: dict[str, list[int]] = field(default_factory=lambda: {role: [] for role in ROLES})
    openings: list[dict[str, Any]] = field(default_factory=list)
    """Of the executor: the first with no cache of a compiled model, the others with what that one left behind."""
    floor: dict[str, Any] = field(default_factory=dict)
    """What it said when it was opened."""
    refused: str | None = None

    def as_json(self) -> dict[str, Any]:
        """`refused` alone, or all figures; see tools/backends/report.py."""
        if self.refused is not None:
            return {"refused": self.refused}
        if not all(self.took_ns.values()):
            return {"refused": "stopped before it was measured"}
        floor, executor = (figures(self.took_ns[role]) for role in ROLES)
        cold, *warm = self.openings
        return {
            "name": cold["name"], "floor_name": self.floor["name"],
            "notes": list(dict.fromkeys([*cold["notes"], *self.floor["notes"]])),
            "floor_ms": floor, "executor_ms": executor, **over(floor, executor),
            "open_s": {"cold": cold["open_s"], "warm": median([each["open_s"] for each in warm]) if warm else None},
            "first_ms": cold["first_ms"], "rss_mib": max(each["rss_mib"] for each in self.openings),
        }  # fmt: skip


def child(role: str, bundle: Path, inspection: dict[str, Any], size_px: int) -> Contestant:
    """The process that opens one side of a case. Raises as `Contestant`."""
    case = {
        "role": role, "bundle": str(bundle), "inspection": inspection, "size": [size_px, size_px],
        "warm_up_runs": _WARM_UP_RUNS[inspection["backend"]],
    }  # fmt: skip
    return Contestant([sys.executable, "-m", "tools.backends.child", json.dumps(case)], limit_s=_OPEN_S)


def measure_round(
    found: Found, start: Callable[[str], Contestant], *, runs: int, seconds: float, is_first: bool
) -> None:  # fmt: skip
    """Add a round to `found`: until each side has `runs` calls, or both together took `seconds`.

    Args:
        found: what the rounds before have added.
        start: opens the child of a role.
        runs: at most so many of each side in this round, at least 1.
        seconds: of measured time; at least one block of each side is run.
        is_first: the executor is opened once more before, with no cache.

    Raises:
        CaseError: a child failed.
        RefusedError: the case cannot be run on this machine.
    """
    if is_first:
        with start("executor") as cold:
            found.openings.append(cold.opened)
    with ExitStack() as owned:
        sides = {role: owned.enter_context(start(role)) for role in ROLES}
        found.openings.append(sides["executor"].opened)
        found.floor = sides["floor"].opened
        left_ns, done, block = seconds * 1e9, 0, min(runs, _FIRST_BLOCK)
        order = list(ROLES)
        while done < runs and (done == 0 or left_ns > 0):
            took: dict[str, Sequence[int]] = {}
            for role in order:
                took[role] = sides[role].ask({"runs": block, "from": done}, limit_s=_ANSWER_S)["ns"]
            # Added together: were it stopped between the two, one would have runs that the other lacks.
            for role in ROLES:
                found.took_ns[role] += took[role]
            # Who was first is second: a drift of the machine's clock is neither's.
            order.reverse()
            spent_ns = sum(map(sum, took.values()))
            left_ns -= spent_ns
            done += block
            block = min(runs - done, max(1, round(block * _BLOCK_NS / max(1, spent_ns))))
