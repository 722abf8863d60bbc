"""Several processes that measure, of which one works at a time: whoever starts them gives the turns.

Each is a child that opens what it measures, prints one JSON object, then waits: a line of JSON on its standard input is
an order, a line on its standard output the answer. So what is compared can take turns in any order within one run, with
a process of its own each, be it in another interpreter. `Contestant` is the parent's side, `serve` the child's.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from aoi_daemon.errors import AoiError

_END_S: Final = 10.0
_TOLD: Final = 2000
_MOST_BYTES: Final = 1 << 26

Answer = dict[str, Any]


class CaseError(AoiError):
    """A child ended, was silent for too long, or said what is no answer: its case has no figures."""


class RefusedError(AoiError):
    """A child says that its case cannot be opened on this machine, and why: no fault of the measurement."""


class Contestant:
    """A child that measures when it is told to; `opened` is what it said first. `with` ends it."""

    def __init__(
        self, command: Sequence[str], *, limit_s: float, environment: Mapping[str, str] | None = None
    ) -> None:  # fmt: skip
        """Start `command` and wait until it is open.

        Args:
            command: of the child; it is run without a shell.
            limit_s: it has so long to open.
            environment: of the child; None: ours.

        Raises:
            CaseError: it ended or was silent.
            RefusedError: it answered `{"refused": why}`.
        """
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        # A session of its own: a terminal's Ctrl-C is for us, who end it and keep what it has measured.
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, start_new_session=True,
            env=None if environment is None else dict(environment),
        )  # fmt: skip
        self._rest = b""
        try:
            self.opened = self._answer(limit_s)
        except BaseException:
            self.close()
            raise

    def ask(self, order: Mapping[str, Any], *, limit_s: float) -> Answer:
        """Give it its turn, and wait for the answer; raises as `answer`."""
        self.order(order)
        return self.answer(limit_s=limit_s)

    def order(self, order: Mapping[str, Any]) -> None:
        """Give it its turn, and do not wait: for what runs beside another. `answer` goes with each."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(order).encode() + b"\n")
            self._child.stdin.flush()
        except BrokenPipeError:
            pass  # what it said before it ended is told by `answer`

    def answer(self, *, limit_s: float) -> Answer:
        """What it says to the order before.

        Raises:
            CaseError: it ended, or was silent for `limit_s`, or says that it cannot go on.
        """
        try:
            return self._answer(limit_s)
        except RefusedError as error:
            raise CaseError(f"it was open, then: {error}") from error

    def close(self) -> None:
        """End it; may be called twice."""
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            self._child.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self._child.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()
        self._said.close()

    def __enter__(self) -> Contestant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # After an error or Ctrl-C nobody waits for what it is in the middle of.
        if kind is not None:
            self._child.kill()
        self.close()

    def _answer(self, limit_s: float) -> Answer:
        line = self._line(time.monotonic() + limit_s, limit_s)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise CaseError(f"it said {line[:200]!r}, which is no answer")
        if "refused" in answer:
            raise RefusedError(str(answer["refused"]))
        return answer

    def _line(self, until: float, limit_s: float) -> bytes:
        assert self._child.stdout is not None
        descriptor = self._child.stdout.fileno()
        while b"\n" not in self._rest:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self._child.kill()
                raise CaseError(f"no answer after {limit_s:g} s")
            piece = os.read(descriptor, 1 << 16)
            if not piece or len(self._rest) > _MOST_BYTES:
                self._child.kill()
                raise CaseError(f"it ended with code {self._child.wait(_END_S)}: {self._end_of_said()}")
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _end_of_said(self) -> str:
        size = self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, size - _TOLD))
        return self._said.read().decode(errors="replace").strip()


def serve(opened: Mapping[str, Any], answer: Callable[[Answer], Mapping[str, Any]]) -> None:
    """The child's side: say `opened`, then `answer` each order, until standard input ends."""
    say(opened)
    for line in sys.stdin:
        say(answer(json.loads(line)))


def say(answer: Mapping[str, Any]) -> None:
    """One answer. `{"refused": why}` says that there will be none."""
    print(json.dumps(answer), flush=True)
