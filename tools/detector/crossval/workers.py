"""Several runs at a time on one device: a process each, as a small network leaves a large GPU idle.

Blocks: in `results`, up to the time named. Every worker is ended with the context.
"""

from __future__ import annotations

import multiprocessing
import queue
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from types import TracebackType
from typing import Any, Final

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.crossval.work import Bench, Run, Setting
from tools.detector.plan import Plan
from tools.detector.processes import end

# Reading the boards and the first steps on a cold device.
START_S: Final = 180.0
LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True)
class Speed:
    """What a worker measured with all others beside it."""

    steps_per_s: float
    board_s: float


class Workers:
    """A context of `count` worker processes, that have measured their speed when it is entered."""

    def __init__(self, setting: Setting, count: int, example: Run) -> None:
        context = multiprocessing.get_context("spawn")
        self.speeds: list[Speed] = []
        self._tasks: Any = context.Queue()
        self._answers: Any = context.Queue()
        # Kept: a worker that starts looks it up by its name.
        self._together = context.Barrier(count)
        arguments = (setting, example, self._together, self._tasks, self._answers)
        self._workers = [context.Process(target=_work, args=arguments, daemon=True) for _ in range(count)]

    def __enter__(self) -> Workers:
        for worker in self._workers:
            worker.start()
        limit_s = time.monotonic() + START_S
        try:
            while len(self.speeds) < len(self._workers):
                answer = self._next(limit_s)
                if answer is None:
                    raise BoardsError(f"workers: none started within {START_S:.0f} s, or all died; see above")
                if isinstance(answer, str):
                    raise BoardsError(f"workers: one could not start: {answer}")
                self.speeds.append(answer)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._workers, (self._tasks, self._answers))

    def results(self, runs: Sequence[Run], plan: Plan, limit_s: float) -> Iterator[dict[str, Any] | str]:
        """Carry out `runs` in their order; yields each as it ends, a text for one that failed.

        What is not done at `limit_s` of `time.monotonic` is left out.
        """
        for run in runs:
            self._tasks.put((run, plan))
        for _ in runs:
            answer = self._next(limit_s)
            if answer is None:
                return
            yield answer

    def _next(self, limit_s: float) -> Any:
        """The next answer, or None when the time has come or no worker is left."""
        while time.monotonic() < limit_s:
            try:
                return self._answers.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                if not any(worker.is_alive() for worker in self._workers):
                    return None
        return None


def _work(setting: Setting, example: Run, together: Barrier, tasks: Any, answers: Any) -> None:
    try:
        bench = Bench(setting)
        together.wait(START_S)
        answers.put(Speed(*bench.speed(example)))
    except Exception as e:  # noqa: BLE001  # whatever it is, the parent says it and ends
        together.abort()
        answers.put(f"{type(e).__name__}: {e}")
        return
    while True:
        run, plan = tasks.get()
        try:
            answers.put(bench.carry_out(run, plan))
        except Exception as e:  # noqa: BLE001  # one run that fails must not cost the others
            answers.put(f"{run.variant.name}, seed {run.seed}: {type(e).__name__}: {e}\n{traceback.format_exc()}")
