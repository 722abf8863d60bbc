"""Lanes tried side by side, as they judge: each in a process with its views, all begun at once.

Process: a child of the trial that measures, one for each lane; it ends with its parent. Blocks: in the executors, and
for its parent's word. The parent blocks until the last lane has answered.

Both ends of a stream: `go` is written to a lane, which judges its views and answers `done`. Before, it says each step
as a line of JSON; with one lane it is the same, so that the way there and back costs all alike.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Final

from aoi_daemon import PROGRAM
from aoi_daemon.errors import AoiError
from aoi_daemon.infer.executor import warm_up
from aoi_daemon.inspection.auto.trial import FEW, Order, golden_of, in_turns, measured, opened, pictures, tail_ms

_GO: Final = b"g"
_DONE: Final = b"d"
_ANSWER_S: Final = 10.0
_LINE_BYTES: Final = 4096


class SideError(AoiError):
    """A lane that is tried has ended, or does not answer."""


def view_of(order: Order, owned: ExitStack) -> Callable[[], None]:
    """What judges the next picture of the view that `order` names, opened and warm; `owned` closes it.

    Raises:
        AoiError: it does not open, or fails.
    """
    executor, bundle, recipe = owned.enter_context(opened(order))
    warm_up(executor, recipe.shape, runs=FEW)
    return in_turns(executor, pictures(bundle, golden_of(order), recipe.shape))


def serve(order: Order, fd: int, say: Callable[..., None]) -> None:
    """A lane: open its views, and judge one picture of each whenever `fd` says so, until it ends.

    Raises:
        AoiError: a view does not open, or fails.
    """
    with ExitStack() as owned:
        views = [view_of(each, owned) for each in order.views]
        say(step="ready")
        while os.read(fd, 1) == _GO:
            for view in views:
                view()
            os.write(fd, _DONE)


class Sides:
    """The lanes' processes, ready; `with` ends them. Raises SideError: one does not get ready."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self._owned = ExitStack()
        with ExitStack() as undone:
            undone.callback(self._owned.close)
            self._ends = [self._start(order) for order in orders]
            for number, end in enumerate(self._ends):
                _await_ready(end, number)
            undone.pop_all()

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()

    def _start(self, order: Order) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._owned.enter_context(ours)
        fd = os.memfd_create("order")
        try:
            os.write(fd, order.model_dump_json().encode())
            os.lseek(fd, 0, os.SEEK_SET)
            with theirs:
                child = subprocess.Popen(
                    [sys.executable, str(PROGRAM), "trial", str(theirs.fileno())], stdin=fd,
                    stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
                )  # fmt: skip
        finally:
            os.close(fd)
        self._owned.callback(child.wait)
        self._owned.callback(child.kill)
        return ours

    def judge(self) -> None:
        """One part: until the last lane has judged its views. Raises SideError: one has ended, or does not answer."""
        for end in self._ends:
            end.sendall(_GO)
        for number, end in enumerate(self._ends):
            if not select.select([end], [], [], _ANSWER_S)[0]:
                raise SideError(f"lane {number} has not answered within {_ANSWER_S:g} s")
            if end.recv(1) != _DONE:
                raise SideError(f"lane {number} ended while it was measured")


def _await_ready(end: socket.socket, number: int) -> None:
    said: dict[str, Any] = {}
    with end.makefile("rb", buffering=0) as lines:  # unbuffered: what follows the line is read elsewhere
        while said.get("step") != "ready":
            line = lines.readline(_LINE_BYTES)
            if not line:
                raise SideError(f"lane {number} ended while {said.get('step', 'starting')}")
            said = json.loads(line)
            if "why" in said:
                raise SideError(f"lane {number}: {said['why']}")


def tried(order: Order) -> dict[str, Any]:
    """Start the lanes of `order`, and measure. Raises AoiError, OSError."""
    with Sides([order.model_copy(update={"do": "lane", "sides": (), "views": side}) for side in order.sides]) as sides:
        return {"p95_ms": tail_ms(measured(sides.judge, order.measure_s))}
