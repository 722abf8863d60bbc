"""The mutants of some groups, each before its tests.

A process for each module: it imports what does not depend on the module, and forks for each mutant from there.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tools.mutation import fork, reach, trial
from tools.mutation.choose import Chooser
from tools.mutation.errors import MutationError
from tools.mutation.imports import Graph
from tools.mutation.loader import module_name
from tools.mutation.mutants import Mutant, mutants_in, mutated
from tools.mutation.plan import Group, candidates, files_of
from tools.mutation.pool import Job, Pool
from tools.mutation.results import Result, Results
from tools.mutation.trial import Status

FOLDER: Final = ".mutation"


class Drawn(NamedTuple):
    """A group's mutants: all of them, by file, and those that are judged."""

    group: Group
    all: dict[str, list[Mutant]]
    judged: dict[str, list[Mutant]]


def drawn(root: Path, group: Group, seed: int) -> Drawn:
    """A sample depends on the seed and on each mutant's key alone: a larger one holds the smaller one."""
    found = {path: mutants_in(root, path) for path in files_of(root, group.paths) if path.endswith(".py")}
    everything = [mutant for mutants in found.values() for mutant in mutants]
    if group.sample is not None and group.sample < len(everything):
        everything.sort(key=lambda mutant: hashlib.sha256(f"{seed}:{mutant.key}".encode()).digest())
        everything = everything[: group.sample]
    keys = {mutant.key for mutant in everything}
    judged = {path: [mutant for mutant in mutants if mutant.key in keys] for path, mutants in found.items()}
    return Drawn(group, found, judged)


class Progress:
    """Says how far it is, and what is left: on a terminal in one line, else a line every 30 s."""

    def __init__(self, say: Callable[[str], None], total: int) -> None:
        self._say = say
        self._total = total
        self._begun = self._said = time.monotonic()
        self.done = 0
        self.lived = 0

    def step(self, mutant: Mutant, status: Status) -> None:
        """One more is through."""
        self.done += 1
        self.lived += not status.dead
        now = time.monotonic()
        live = sys.stderr.isatty()
        if now - self._said < (0.2 if live else 30) and self.done < self._total:
            return
        self._said = now
        left_s = (now - self._begun) / self.done * (self._total - self.done)
        text = f"{self.done} of {self._total}, {self.lived} live, about {left_s / 60:.0f} min left: {mutant.path}"
        if live:
            sys.stderr.write(f"\r\x1b[K{text}" + ("\n" if self.done == self._total else ""))
            sys.stderr.flush()
        else:
            self._say(text)


class Campaign:
    """Of a checkout; `top` is the mutated package."""

    def __init__(self, root: Path, jobs: int, say: Callable[[str], None], top: str = "aoi_daemon") -> None:
        self._root = root
        self._top = top
        self._jobs = jobs
        self._say = say
        self.results = Results(root / FOLDER / "results.jsonl")

    def run(self, groups: Sequence[Drawn], *, again: bool = False) -> None:
        """Try what was not tried; `again`: all of it.

        Raises:
            MutationError: a test is red without any mutant, or a module's process failed.
        """
        fork.warm_up()
        for group in groups:
            self._group(group, again)

    def _group(self, drawn: Drawn, again: bool) -> None:
        files = candidates(self._root, drawn.group.paths)
        with tempfile.TemporaryDirectory(prefix="aoi-mutate-") as scratch:
            pool = Pool(Path(scratch), self._jobs)
            measured = reach.measure(
                self._root, self._top, files, pool, cache=self._root / FOLDER / "reach", say=self._say
            )
            waiting = {}
            for path, mutants in drawn.judged.items():
                chooser = Chooser(self._root, path, measured)
                todo = [
                    each
                    for each in mutants
                    if again or not self.results.holds(each, self._digest(list(chooser.tests(each))))
                ]
                if todo:
                    waiting[path] = (chooser, todo)
            total = sum(len(todo) for _, todo in waiting.values())
            judged = sum(map(len, drawn.judged.values()))
            self._say(f"{drawn.group.name}: {judged} mutants, {judged - total} of them known, {total} to try")
            progress = Progress(self._say, total)
            for path, (chooser, todo) in waiting.items():
                self._in_process(partial(self._module, path, chooser, todo, measured, pool=pool, progress=progress))
                self.results.reload()
                progress.done += len(todo)
                progress.lived += sum(1 for each in todo if (known := self.results.get(each)) and not known.status.dead)

    def _digest(self, tests: Sequence[str]) -> str:
        files = {test.partition("::")[0] for test in tests}
        content = reach.digest(
            self._root, {each for file in files for each in (file, *reach.conftests(self._root, file))}
        )
        return hashlib.sha256("\n".join([content, *sorted(tests)]).encode()).hexdigest()[:16]

    def _in_process(self, work: Callable[[], None]) -> None:
        """In a fork, for what it imports must not stay."""
        sys.stderr.flush()
        with fork.undisturbed():
            pid = os.fork()
            if pid == 0:
                os._exit(_exit_code(work))
        while True:
            try:
                _, status = os.waitpid(pid, 0)
                break
            except KeyboardInterrupt:
                os.kill(pid, signal.SIGINT)  # where only this process was meant; it kills what it started
        code = os.waitstatus_to_exitcode(status)
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise MutationError(f"the process of a module ended with {code}; what it wrote is above")

    def _module(
        self,
        path: str,
        chooser: Chooser,
        todo: list[Mutant],
        measured: Sequence[reach.Measured],
        *,
        pool: Pool,
        progress: Progress,
    ) -> None:
        sys.path.insert(0, str(self._root))
        self._preload(path, measured)
        source = (self._root / path).read_text()
        digests: dict[str, str] = {}

        def jobs() -> Iterator[Job]:
            for mutant in todo:
                tests = chooser.tests(mutant)
                digests[mutant.id] = self._digest(list(tests))
                text = mutated(source, mutant)
                compile(
                    text, mutant.id, "exec"
                )  # one that is no Python is the operator's mistake, and ends the run here
                if not tests:
                    ended(mutant.id, Result(Status.UNREACHED, "", digests[mutant.id]))
                    continue
                yield (
                    mutant.id,
                    trial.limit_s(sum(tests.values())),
                    trial.body(self._root, mutant, text, list(tests), pool.folder(mutant.id)),
                )

        by_id = {mutant.id: mutant for mutant in todo}

        def ended(name: str, result: Result) -> None:
            mutant = by_id[name]
            self.results.add(mutant, result)
            if result.status is Status.KILLED:
                chooser.killed(mutant, result.by)
            progress.step(mutant, result.status)

        def judged(name: str, code: int | None, told: Path) -> None:
            status, by = trial.meaning(code, told.read_text() if told.exists() else "")
            ended(name, Result(status, by, digests[name]))

        pool.run(jobs(), judged)

    def _preload(self, path: str, measured: Sequence[reach.Measured]) -> None:
        """What the tests import of the package, and what no mutant of this module changes."""
        graph = Graph(self._root, [self._top])
        fresh = graph.dependants(module_name(path))
        used = {module_name(file) for known in measured for lines in known.lines.values() for file in lines}
        for name in sorted(used - fresh):
            with suppress(ImportError):
                importlib.import_module(name)


def _exit_code(work: Callable[[], None]) -> int:
    """Of a module's process."""
    try:
        fork.disturbed()
        work()
    except KeyboardInterrupt:
        return 130
    except BaseException:  # noqa: BLE001  # the child must not go on in the parent's code
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
    return 0
