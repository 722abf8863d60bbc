"""Forked children side by side, each with its own time limit."""

from __future__ import annotations

import hashlib
import select
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tools.mutation import fork

Job = tuple[str, float, Callable[[Path], int]]
"""A name, the limit in s, and what the child does."""


class Pool:
    """At most `jobs` children at once; their files are below `scratch`."""

    def __init__(self, scratch: Path, jobs: int) -> None:
        self._scratch = scratch
        self._jobs = jobs

    def folder(self, name: str) -> Path:
        """A child's own."""
        return self._scratch / hashlib.sha256(name.encode()).hexdigest()[:12]

    def run(
        self, jobs: Iterable[Job], ended: Callable[[str, int | None, Path], None], *, jobs_at_once: int | None = None
    ) -> None:
        """All of them. `ended` is told name, exit code (None: out of time) and what the child wrote, as each ends.

        A KeyboardInterrupt kills those at work and goes on.
        """
        waiting = iter(jobs)
        at_work: dict[str, fork.Child] = {}
        limit = jobs_at_once or self._jobs
        try:
            while self._fill(waiting, at_work, limit):
                self._reap(at_work, ended)
        finally:
            for name, child in at_work.items():
                child.kill()
                fork.finish(child)
                shutil.rmtree(self.folder(name), ignore_errors=True)

    def _fill(self, waiting: Iterator[Job], at_work: dict[str, fork.Child], limit: int) -> bool:
        while len(at_work) < limit:
            job = next(waiting, None)
            if job is None:
                break
            name, limit_s, body = job
            with fork.undisturbed():
                at_work[name] = fork.start(body, limit_s, self.folder(name))
        return bool(at_work)

    def _reap(self, at_work: dict[str, fork.Child], ended: Callable[[str, int | None, Path], None]) -> None:
        wait_s = max(0.0, min(child.end_s for child in at_work.values()) - time.monotonic())
        ready, _, _ = select.select([child.pidfd for child in at_work.values()], [], [], wait_s)
        now = time.monotonic()
        for name, child in list(at_work.items()):
            if child.pidfd in ready or child.end_s <= now:
                del at_work[name]
                code = fork.finish(child)
                try:
                    ended(name, code, child.told)
                finally:
                    shutil.rmtree(self.folder(name), ignore_errors=True)
