"""The plc process: the daemon's own stage, with virtual ports, run until it ends or is killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.plc.main import Plc, modbus_link
from aoi_daemon.plc.ports import Address, Connection
from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board
from aoi_daemon.stage.stage import Stage
from tools.simulation.timeline import Timeline

_CONTROL: Final = -2
"""Stands for the socket to the supervisor."""
_STUCK: Final = 20_000
"""So many looks at the world without that any time goes by: the loop does not sleep."""


_PLACES: Final = 3
"""Where the process is kept from running: as it is woken, before it reads the judgements, before the announcements."""


class Killed(BaseException):
    """SIGKILL: nothing of the process runs any more."""


class Stuck(Exception):
    """The process turns and turns, and no time goes by."""


class Memory:
    """Memory that outlives a process; no other process sees it."""

    def __init__(self, size_bytes: int) -> None:
        self.map = bytearray(size_bytes)


class Doors:
    """The doorbells' pipes, which outlive the stages at their ends, and which of them have rung."""

    def __init__(self, timeline: Timeline, cameras: int) -> None:
        self._timeline = timeline
        self.fds: dict[str, int] = {}
        for name in ("announcements", "judgements", *(f"triggers{n}" for n in range(cameras))):
            self.fds[f"{name}_r"], self.fds[f"{name}_w"] = os.pipe2(os.O_NONBLOCK)
        self.rung: set[int] = set()
        self.judged: list[tuple[int, int]] = []
        self.read_ns: dict[tuple[int, int], int] = {}
        """Judgements, by camera and sequence of their view: those that wait, and when plc had the others."""

    def ring(self, name: str, record: bytes) -> None:
        """Write a record, and wake who waits for it."""
        os.write(self.fds[f"{name}_w"], record)
        self.rung.add(self.fds[f"{name}_r"])
        self._timeline.woken = True

    def close(self) -> None:
        """Give the pipes back."""
        for fd in self.fds.values():
            os.close(fd)


class Outside:
    """Clock, wait and dial of one plc process. `dies_at`: it is killed at that call of a port.

    `starved`: how long it is kept from running when it is due to, ns.
    """

    def __init__(
        self,
        timeline: Timeline,
        doors: Doors,
        connect: Callable[[float], Connection],
        starved: Callable[[], int],
    ) -> None:
        self._timeline = timeline
        self._doors = doors
        self._connect = connect
        self._starved = starved
        self.dies_at = -1
        self.calls = 0
        self._looks = 0
        self._looked_ns = 0
        self._late = (0, 0)
        """Before which of its calls, from the last wait on (0: that itself), it is kept from running, and how long."""

    def step(self) -> None:
        """A port is called."""
        self.calls += 1
        if self.calls == self.dies_at:
            raise Killed

    def now_ns(self) -> int:
        """Clock."""
        self.calls += 1
        if self.calls == self.dies_at:
            raise Killed
        return self._timeline.now

    def select(self, fds: Sequence[int], timeout_s: float) -> list[int]:
        """Wait."""
        self.step()
        timeline, rung = self._timeline, self._doors.rung
        self._is_stuck()
        until = timeline.now + -int(-timeout_s * 1e9 // 1)
        while True:
            if rung:
                ready = [fd for fd in fds if fd in rung]
                if ready:
                    rung.difference_update(ready)
                    break
            timeline.woken = False
            timeline.run(until)
            if not timeline.woken:
                ready = []
                break
        self._late = (self.calls % _PLACES, self._starved())
        self._is_kept()
        self.step()
        return ready

    def read(self, fd: int, size: int) -> bytes:
        """Wait: acquire and inspection may have gone on since it looked, and go on between two reads."""
        self.step()
        self._is_kept()
        doors = self._doors
        if doors.judged and fd == doors.fds["judgements_r"]:
            doors.read_ns.update(dict.fromkeys(doors.judged, self._timeline.now))
            doors.judged.clear()
        return os.read(fd, size)

    def _is_kept(self) -> None:
        calls, late = self._late
        self._late = (calls - 1, late)
        if not late or calls:
            return
        timeline = self._timeline
        until = timeline.now + late
        while timeline.now < until:
            timeline.woken = False
            timeline.run(until)

    def dial(self, address: Address, timeout_s: float) -> Connection:
        """Dial."""
        self.step()
        self._is_stuck()
        found = self._connect(timeout_s)
        self.step()
        return found

    def _is_stuck(self) -> None:
        if self._timeline.now != self._looked_ns:
            self._looked_ns, self._looks = self._timeline.now, 0
        self._looks += 1
        if self._looks > _STUCK:
            raise Stuck("the plc stage does not sleep")


class Log:
    """Takes what is logged; `say(event, fields)` hears it."""

    def __init__(self, say: Callable[[str, dict[str, Any]], None]) -> None:
        self._say = say

    def error(self, event: str, **fields: Any) -> None:
        """A line of log."""
        self._say(event, fields)

    info = warning = exception = error

    def bind(self, **_: Any) -> Log:
        """The same log."""
        return self


class Here:
    """What `Stage` is to the plc stage, without a process: its board, descriptors, and the supervisor."""

    class _Control:
        def fileno(self) -> int:
            return _CONTROL

    def __init__(
        self, config: LineConfig, recipe: Recipe, memories: dict[str, Memory], doors: Doors, *, log: Log,
        tell: Callable[..., None],
    ) -> None:  # fmt: skip
        self.config = config
        self.setup = type("Setup", (), {"recipe": recipe})
        self.memories = memories
        self.board = Board(cast(SharedMemory, memories["board"]))
        self.fds = doors.fds
        self.log = log
        self.tell = tell
        self.stopping = False
        self.control = self._Control()
        self.orders: list[dict[str, Any]] = []
        self._doors = doors

    def memory(self, name: str, size_bytes: int) -> Memory:
        """The memory of that name."""
        return self.memories[name]

    def order(self, **command: Any) -> None:
        """The supervisor says."""
        self.orders.append(command)
        self._doors.rung.add(_CONTROL)
        self._doors._timeline.woken = True

    @staticmethod
    def ready() -> None:
        """See `Stage`: there are no signals here."""

    def commands(self) -> list[dict[str, Any]]:
        """What it has said since the last call."""
        found, self.orders = self.orders, []
        self.stopping = self.stopping or any(command["do"] == "stop" for command in found)
        return found


def memories() -> dict[str, Memory]:
    """The shared memory of a daemon's start."""
    return {"board": Memory(SIZE_BYTES), "verdicts": Memory(verdicts.SIZE_BYTES)}


def plc_of(here: Here, outside: Outside) -> Plc:
    """The stage as `plc.main.main` makes it, with other ports."""
    stage = cast(Stage, here)
    return Plc(stage, modbus_link(stage, outside, outside.dial), outside, outside)


def serve(plc: Plc) -> bool:
    """Run it; whether it ended in order, and was not killed."""
    with suppress(Killed):
        plc.run()
        return True
    return False
