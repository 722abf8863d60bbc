"""Does the machine itself stand still? A witness on each core, above every stage, sleeps 1 ms: how late does it wake?

What it was late for, no program could have done on that core in time: a hypervisor, firmware, or a kernel that was
not to be interrupted. (As `cyclictest` does it, during the run.) `python -m tools.line.witness` prints a line once
it watches, and one JSON object when its standard input ends.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple

from tools.gpu.realtime import go_fifo
from tools.line.cores import OnEachCore, fork_on_each

_PRIORITY: Final = 95
_PERIOD_NS: Final = 1_000_000
_LATE_NS: Final = 1_000_000
"""Less is not told: a missed deadline needs more."""
_KEPT: Final = 10_000
_ROW_NS: Final = 100_000_000
"""Missed parts that are closer belong together: a connection that was reset is back by then."""
_SPAN_NS: Final = 10_000_000_000


class Stall(NamedTuple):
    """A core stood still: from when, CLOCK_MONOTONIC in ns, for how long."""

    core: int
    since_ns: int
    ns: int


class Witness(OnEachCore):
    """Watches while its block runs; `report` is there afterwards."""

    module = "tools.line.witness"

    def __enter__(self) -> Witness:
        super().__enter__()
        self._since_ns = time.monotonic_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        killed = {"scheduling": "the witness was killed", "stalls": []}
        found: dict[str, Any] = json.loads(self.said) if self.said else killed
        self.scheduling: str = found["scheduling"]
        self.stalls = [Stall(*stall) for stall in found["stalls"]]

    def report(self, missed: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """The stalls as JSON, and how many rows of misses began while a core stood still.

        Args:
            missed: from when to when each missed part was on its way, CLOCK_MONOTONIC in ns, in their order.

        `by_10_s` counts the stalls of each ten seconds of the watch, `rows_at_s` is when the rows of misses began:
        a machine that is disturbed at the start alone is another than one that always is.
        """
        longest_ns = max((stall.ns for stall in self.stalls), default=0)
        rows = begun(missed)
        spans = [max(0, stall.since_ns - self._since_ns) // _SPAN_NS for stall in self.stalls]
        return {
            "scheduling": self.scheduling,
            "stalls": len(self.stalls),
            "longest_ms": round(longest_ns / 1e6, 3),
            "by_10_s": [spans.count(span) for span in range(max(spans, default=-1) + 1)],
            "worst": [stall._asdict() for stall in sorted(self.stalls, key=lambda stall: -stall.ns)[:20]],
            "rows_of_misses": len(rows),
            "rows_at_s": [round((since_ns - self._since_ns) / 1e9, 2) for since_ns, _ in rows],
            "rows_that_met_a_stall": sum(met(part, self.stalls) for part in rows),
        }


def in_words(stalls: Sequence[Stall], scheduling: str, since_ns: int, worst: int = 0) -> str:
    """How long the machine was held up, in a line; and the `worst` longest stalls, a line each.

    Args:
        stalls: those of the watch.
        scheduling: what the witness had.
        since_ns: the watch began then, CLOCK_MONOTONIC in ns; stalls are told by the time since.
        worst: so many of them, at most.
    """
    if not stalls:
        return f"no stall of more than {_LATE_NS / 1e6:g} ms ({scheduling})"
    longest = sorted(stalls, key=lambda stall: -stall.ns)
    lines = [
        f"{len(stalls)} {'stall' if len(stalls) == 1 else 'stalls'} of more than {_LATE_NS / 1e6:g} ms, "
        f"{longest[0].ns / 1e6:.1f} ms at most, {sum(stall.ns for stall in stalls) / 1e6:.1f} ms in all ({scheduling})"
    ]
    lines += [
        f"  core {stall.core}: {stall.ns / 1e6:.1f} ms, {(stall.since_ns - since_ns) / 1e9:.2f} s after the start"
        for stall in longest[:worst]
    ]
    return "\n".join(lines)


def begun(missed: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of parts that were missed one soon after the other, the first: the others are its consequence (a reconnect)."""
    found = []
    before_ns = -_ROW_NS
    for part in missed:
        if part[0] - before_ns >= _ROW_NS:
            found.append(part)
        before_ns = part[0]
    return found


def met(part: tuple[int, int], stalls: Iterable[Stall]) -> bool:
    """Whether a core stood still while `part` was on its way."""
    since_ns, until_ns = part
    return any(stall.since_ns < until_ns and stall.since_ns + stall.ns > since_ns for stall in stalls)


def _watch(core: int, write_fd: int, parent: int) -> None:
    """One core's witness: until SIGTERM, then a line of JSON; or until `parent` is gone."""
    stalls: list[tuple[int, int, int]] = []
    watching = True

    def end(_number: int, _frame: object) -> None:
        nonlocal watching
        watching = False

    signal.signal(signal.SIGTERM, end)
    scheduling = go_fifo(_PRIORITY)
    gc.disable()
    os.write(write_fd, b"watches\n")
    while watching and os.getppid() == parent:
        due_ns = time.monotonic_ns() + _PERIOD_NS
        time.sleep(_PERIOD_NS / 1e9)
        late_ns = time.monotonic_ns() - due_ns
        if late_ns > _LATE_NS and len(stalls) < _KEPT:
            stalls.append((core, due_ns, late_ns))
    with os.fdopen(write_fd, "w") as out:
        json.dump({"scheduling": scheduling, "stalls": stalls}, out)


def main() -> int:
    """A child for each core that this process may use."""
    found = [json.loads(told) for told in fork_on_each(_watch)]
    stalls = sorted((stall for one in found for stall in one["stalls"]), key=lambda stall: stall[1])
    print(json.dumps({"scheduling": found[0]["scheduling"], "stalls": stalls}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
