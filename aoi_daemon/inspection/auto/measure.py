"""Try candidates, each in a process of its own, and word what became of each.

Process: inspection at its start, and commands. Blocks: until the last one has answered, at most the time that is given.
A child that crashes, hangs or says nonsense is a row of the table.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aoi_daemon import PROGRAM
from aoi_daemon.inspection.auto.choice import Candidate, Row, shortened
from aoi_daemon.inspection.auto.lane_choice import LaneRow
from aoi_daemon.inspection.auto.trial import Order
from aoi_daemon.stage.stage import now_ns

COMMAND: Final = (sys.executable, str(PROGRAM), "trial")
TOTAL_S: Final = 30.0
"""All trials together: so much later than with a named back end is the line READY, once."""
_ONE_S: Final = 12.0
_DEVICES_S: Final = 8.0
_LEAST_S: Final = 1.0
_AFTER_KILL_S: Final = 1.0
_SAID: Final = 160


class Trials:
    """Starts the children. `command` is what each is started as, `one_s` the most that one may take."""

    def __init__(
        self, command: Sequence[str] = COMMAND, one_s: float = _ONE_S, total_s: float = TOTAL_S,
        clock: Callable[[], int] = now_ns,
    ) -> None:  # fmt: skip
        self._command = command
        self._one_s = one_s
        self._clock = clock
        self._until_ns = clock() + int(total_s * 1e9)
        self._total_s = total_s

    @property
    def _left_s(self) -> float:
        return (self._until_ns - self._clock()) / 1e9

    def devices(self) -> Mapping[str, Any] | str:
        """OpenVINO's devices and what each runs; or why that is not known."""
        answer = self._ask(Order(do="devices"), min(_DEVICES_S, self._left_s))
        found = answer.get("devices")
        return found if isinstance(found, dict) else str(answer.get("why", "it did not say"))

    def rows(
        self, candidates: Sequence[Candidate], order: Callable[[Candidate], Order], tell: Callable[[Row], None],
        begin: Callable[[Candidate], None] = lambda _: None,
    ) -> list[Row]:  # fmt: skip
        """A row for each; `begin` and `tell` hear of each before and after it is tried."""
        rows: list[Row] = []
        for candidate in candidates:
            begin(candidate)
            best = min((row.p95_ms for row in rows if row.holds and row.p95_ms is not None), default=None)
            row = self._row(candidate, order(candidate).model_copy(update={"best_ms": best}))
            rows.append(row)
            tell(row)
        return rows

    def lanes(
        self, orders: Mapping[int, Order], tell: Callable[[LaneRow], None], begin: Callable[[int], None]
    ) -> tuple[LaneRow, ...]:
        """A row for each number of lanes; `begin` and `tell` hear of each before and after it is tried."""
        rows = []
        for lanes, order in orders.items():
            begin(lanes)
            tell(row := self._lane_row(lanes, order))
            rows.append(row)
        return tuple(rows)

    def _lane_row(self, lanes: int, order: Order) -> LaneRow:
        if self._left_s < _LEAST_S:
            return LaneRow(lanes=lanes, why=f"not measured: the {self._total_s:g} s for all were over", missed=True)
        answer = self._ask(order, min(self._one_s, self._left_s))
        p95_ms, why = _figure(answer), answer.get("why", "")
        return LaneRow(lanes=lanes, p95_ms=p95_ms, why=shortened(why or "it gave no figure") if p95_ms is None else "")

    def _row(self, candidate: Candidate, order: Order) -> Row:
        answer = self._ask(order, min(self._one_s, self._left_s)) if self._left_s >= _LEAST_S else {}
        if "p95_ms" not in answer and self._left_s < _LEAST_S:
            why = f"not measured: the {self._total_s:g} s for all were over"
            return Row(name=candidate.name, candidate=candidate, why=why, missed=True)
        p95_ms, why = _figure(answer), answer.get("why", "")
        if p95_ms is None and not why:
            why = "it gave no figure"
        return Row(name=candidate.name, candidate=candidate, p95_ms=p95_ms, why=shortened(why) if why else "")

    def _ask(self, order: Order, most_s: float) -> dict[str, Any]:
        """The last line of a child's answer; `why` where it gave none."""
        # Files in memory, not pipes: nobody has to read while it runs, however much a vendor's library prints.
        fds = {name: os.memfd_create(name) for name in ("order", "answer", "said")}
        try:
            os.write(fds["order"], order.model_dump_json().encode())
            os.lseek(fds["order"], 0, os.SEEK_SET)
            how = self._run(fds, most_s)
            steps = _lines(_content(fds["answer"]))
            last = steps[-1] if steps else {}
            if "step" not in last and last:
                return last
            return {"why": f"{how} while {last.get('step', 'starting')}{_last_words(_content(fds['said']))}"}
        except OSError as error:
            return {"why": f"its process cannot be started: {error.strerror}"}
        finally:
            for fd in fds.values():
                os.close(fd)

    def _run(self, fds: Mapping[str, int], most_s: float) -> str:
        """How the child ended, in words."""
        child = subprocess.Popen(
            [*self._command, str(fds["answer"])],
            stdin=fds["order"], stdout=fds["said"], stderr=fds["said"], pass_fds=[fds["answer"]],
        )  # fmt: skip
        try:
            code = child.wait(max(most_s, 0.0))
        except subprocess.TimeoutExpired:
            return f"no answer within {most_s:.0f} s"
        finally:
            if child.returncode is None:
                child.kill()
                # One that a driver holds in the kernel cannot be ended: it is left, and the line starts without it.
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_AFTER_KILL_S)
        return f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with code {code}"


def _figure(answer: Mapping[str, Any]) -> float | None:
    """The 95th percentile that a child gives, ms; None: it gives none."""
    said = answer.get("p95_ms")
    return round(float(said), 3) if isinstance(said, (int, float)) and 0 < said < float("inf") else None


def _content(fd: int) -> bytes:
    return os.pread(fd, 1 << 20, max(0, os.fstat(fd).st_size - (1 << 20)))


def _lines(raw: bytes) -> list[dict[str, Any]]:
    found = []
    for line in raw.splitlines():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                found.append(said)
    return found


def _last_words(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return f": {lines[-1][:_SAID]}" if lines else ""
