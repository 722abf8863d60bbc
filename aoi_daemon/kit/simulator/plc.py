"""The simulated PLC behind its server: scan cycle, coil and register images, photo-eye, poll block.

Process: plc_simulator. Blocks: nowhere, all is called from the event loop.
With a scan cycle a request waits for the next scan, is acted on there and then
answered, as in a PLC; without one (0) it is acted on as it comes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from time import monotonic_ns
from typing import Any, Final

from aoi_daemon.kit.simulator.options import Options
from aoi_daemon.kit.simulator.records import Event
from aoi_daemon.kit.simulator.tracking import Tracker
from aoi_daemon.plcmap.coils import Coil, view
from aoi_daemon.plcmap.program import Variant
from aoi_daemon.plcmap.registers import Status, decode_poll, decode_report, encode_poll

PHOTO_EYE: Final = struct.Struct("<4sQqB")  # b"AOIP", part number, trigger in CLOCK_MONOTONIC ns, truth
PHOTO_EYE_MAGIC: Final = b"AOIP"
_IDLE_TICK_S: Final = 0.005  # without a scan cycle: how soon windows are seen to have ended
_EYE_BUFFER_BYTES: Final = 1 << 20


class Plc:
    """Images and logic. `start` binds the photo-eye and begins to scan; `stop` ends both."""

    def __init__(self, options: Options) -> None:
        self.options = options
        deadline_ns, patience_ns = int(options.deadline_ms * 1e6), int(options.heartbeat_timeout_ms * 1e6)
        self.tracker = Tracker(deadline_ns, patience_ns, options.keep, Variant(options.program))
        self.requests = 0
        self.hold_outputs = False
        self.line_running = True
        self.alarm_reset = False
        self.bypass = False
        self.recipe_request = 0
        self.trigger_id = 0
        self._eye: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._scanned = self._loop.create_future()

    def start(self) -> None:
        """Bind the photo-eye and begin to scan.

        Raises:
            OSError: the photo-eye's port is taken.
        """
        self._eye = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._eye.setblocking(False)
        self._eye.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _EYE_BUFFER_BYTES)
        try:
            self._eye.bind((self.options.host, self.options.photo_eye_port))
        except OSError as error:
            self._eye.close()
            raise OSError(
                error.errno, f"photo-eye, UDP port {self.options.photo_eye_port}: {error.strerror}"
            ) from error
        self._loop.add_reader(self._eye, self._look)
        self._every(self.options.scan_ms / 1e3 or _IDLE_TICK_S, self._scan)
        if self.options.trigger_ms:
            self._every(self.options.trigger_ms / 1e3, self.trigger)

    def stop(self) -> None:
        """Stop scanning and close the photo-eye."""
        for timer in self._timers.values():
            timer.cancel()
        if self._eye is not None:
            self._loop.remove_reader(self._eye)
            self._eye.close()

    @property
    def photo_eye_port(self) -> int:
        """The UDP port of the photo-eye."""
        return int(self._eye.getsockname()[1]) if self._eye is not None else 0

    def _every(self, period_s: float, work: Callable[[], None], due: float = 0.0) -> None:
        due = max(due or self._loop.time(), self._loop.time() - period_s) + period_s

        def again() -> None:
            self._every(period_s, work, due)
            work()

        self._timers[work] = self._loop.call_at(due, again)

    def _scan(self) -> None:
        self._look()
        self.tracker.tick(monotonic_ns())
        scanned, self._scanned = self._scanned, self._loop.create_future()
        scanned.set_result(None)

    def next_scan(self) -> Awaitable[None]:
        """Done at the next scan."""
        return self._scanned

    def _look(self) -> None:
        """Take in the parts that have passed the photo-eye."""
        if self._eye is None:
            return
        while True:
            try:
                datagram = self._eye.recv(PHOTO_EYE.size + 1)
            except BlockingIOError:
                return
            if len(datagram) == PHOTO_EYE.size and datagram.startswith(PHOTO_EYE_MAGIC):
                _, number, trigger_ns, truth = PHOTO_EYE.unpack(datagram)
                if self.trigger_id:
                    self.tracker.program.numbers = self.trigger_id - 1  # this PLC asked for that part
                self.tracker.part(number, trigger_ns, truth, monotonic_ns())

    def trigger(self) -> None:
        """Tell the daemon, in the poll block, to take an image."""
        self.trigger_id += 1

    def write_coils(self, first: int, values: list[bool]) -> None:
        """Coils from offset `first` of the map on are written."""
        self._look()  # a part's photo-eye comes before its verdict, however late both are looked at
        word = self.tracker.word
        for coil, value in enumerate(values, first):
            word = word | 1 << coil if value else word & ~(1 << coil)
        self.tracker.write(word, monotonic_ns())

    def write_registers(self, first: int, values: list[int]) -> None:
        """Registers from offset `first` of the profile on are written."""
        self._look()
        self.tracker.write_report(first, values, monotonic_ns())

    def link_lost(self) -> None:
        """The last connection is gone."""
        if not self.hold_outputs:
            self.tracker.clear(monotonic_ns())

    def note(self, kind: str, detail: str = "") -> None:
        """Log what happened to the link."""
        self.tracker.events.append(Event(monotonic_ns(), kind, self.tracker.word, detail))

    def poll_block(self) -> list[int]:
        """The registers that the daemon polls: the program's, but for what this PLC's triggers and panel say."""
        program = self.tracker.program
        program.inputs(line_running=self.line_running, alarm_reset=self.alarm_reset, bypass=self.bypass)
        program.tick(monotonic_ns())
        said = decode_poll(program.poll_block())
        status = said.status & ~Status.TRIGGER | (Status.TRIGGER if self.trigger_id & 1 else Status(0))
        return encode_poll(
            said._replace(status=status, trigger_id=self.trigger_id, recipe_request=self.recipe_request)
        )

    def status(self) -> dict[str, Any]:
        """All that is known now, for the control channel."""
        self._look()
        tracker = self.tracker
        tracker.tick(monotonic_ns())
        coils = view(tracker.word)
        return {
            "at_ns": monotonic_ns(),
            "word": tracker.word,
            "coils": {c.name: tracker.word >> c & 1 for c in Coil if c is not Coil.SEQ} | {"SEQ": coils.sequence},
            "ready_effective": tracker.ready_effective,
            "heartbeat_alive": tracker.alive,
            "counters": asdict(tracker.counters),
            "heartbeat": tracker.heartbeat.figures(),
            "report": decode_report(tracker.report)._asdict(),
            "requests": self.requests,
            "hold_outputs": self.hold_outputs,
            "trigger_id": self.trigger_id,
        }
