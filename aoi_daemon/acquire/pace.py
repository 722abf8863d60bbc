"""When a replayed camera is triggered, and who hears of it.

Process: acquire. Blocks: nowhere here; the driver sleeps. Memory: none.
"""

from __future__ import annotations

import select
import socket
import struct
from contextlib import suppress
from typing import Final, NamedTuple

from aoi_daemon.acquire.images import Truth
from aoi_daemon.acquire.stamps import MAX_GAP, places_ahead
from aoi_daemon.acquire.triggers import TriggerPipe
from aoi_daemon.config.host import split_port
from aoi_daemon.errors import CameraError

EYE: Final = struct.Struct("<4sQqB")
"""To the PLC simulator: b"AOIP", part number from 1, CLOCK_MONOTONIC ns of the trigger, `Truth`."""

MAX_MISSED: Final = 1000


class Trigger(NamedTuple):
    """A part is in front of the camera; `missed` before it went by untaken. `id`: the PLC's number, 0 none."""

    at_ns: int
    missed: int
    id: int = 0


class TaktPace:
    """A part each takt, on a schedule that does not drift and does not wait.

    Pure. A camera is triggered by hardware, on time however late its computer is, and its frame waits: so
    a part is taken up to half a takt late, with the stamp of when it was due. A later one has gone past:
    it is missed, and the next one comes when it is due, so that parts never come closer than half a takt.
    """

    def __init__(self, takt_ns: int) -> None:
        self._takt_ns = takt_ns
        self._grace_ns = takt_ns // 2
        self._next_ns: int | None = None

    def next_ns(self, now_ns: int) -> int:
        """When the next part is due. The first one is due one takt after the first question."""
        if self._next_ns is None:
            self._next_ns = now_ns + self._takt_ns
        return self._next_ns

    def missed(self, now_ns: int) -> list[int]:
        """When the parts were due that have gone past since the last one; each is told once.

        Raises:
            CameraError: more than MAX_MISSED: the process was held up, and the line with it.
        """
        due_ns = self.next_ns(now_ns)
        gone = max(0, -(-(now_ns - self._grace_ns - due_ns) // self._takt_ns))
        if gone > MAX_MISSED:
            raise CameraError(f"the replay was held up for {(now_ns - due_ns) / 1e9:.1f} s")
        self._next_ns = due_ns + gone * self._takt_ns
        return list(range(due_ns, self._next_ns, self._takt_ns))

    def taken(self) -> None:
        """The part that was due has been taken."""
        assert self._next_ns is not None
        self._next_ns += self._takt_ns


class PlcPace:
    """A part at each trigger that the plc process saw, through a pipe of readings.

    A trigger that had to wait for us keeps its own time: its part is late, not missed. Ids that are left
    out are triggers that the plc process did not see.
    """

    def __init__(self, fd: int) -> None:
        self._pipe = TriggerPipe(fd)
        self._last: int | None = None
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def flush(self) -> None:
        """Forget the triggers of parts that came while there was no camera: their time is over."""
        self._pipe.flush()

    def wait(self, timeout_s: float) -> Trigger | None:
        """The next trigger; None after `timeout_s` without one.

        Raises:
            CameraError: the pipe is closed, what came is no record, or the numbers jumped.
        """
        if not self._poll.poll(-(-timeout_s * 1000 // 1)):
            return None
        reading = self._pipe.take()
        if reading is None or not reading.triggered:
            return None
        return Trigger(reading.asked_ns, self._missed_before(reading.trigger_id), reading.trigger_id)

    def _missed_before(self, trigger_id: int) -> int:
        """Triggers that are missing before this one, 0 to MAX_GAP.

        Readings come in order: an id that fell back is a PLC that counts anew, one that stays one that does not count.

        Raises:
            CameraError: the ids jumped ahead by more than MAX_GAP.
        """
        last, self._last = self._last, trigger_id
        if last is None:
            return 0
        ahead = places_ahead(trigger_id, last, min(1, trigger_id))
        if ahead > MAX_GAP + 1:
            raise CameraError(f"the PLC's trigger numbers jumped from {last} to {trigger_id}")
        return max(0, ahead - 1)


class PhotoEye:
    """The wire from the part sensor to a PLC simulator: one datagram a part. Nobody need listen.

    Raises:
        CameraError: the address is none.
    """

    def __init__(self, address: str) -> None:
        try:
            host, port = split_port(address)
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except (OSError, ValueError) as error:
            raise CameraError(f"photo_eye {address}: {error}") from error
        self._socket = socket.socket(*found[:3])
        self._socket.setblocking(False)
        self._address = found[4]

    def see(self, part: int, at_ns: int, truth: Truth) -> None:
        """Tell that part `part` is in front of the camera."""
        with suppress(OSError):  # a wire cannot fail either
            self._socket.sendto(EYE.pack(b"AOIP", part, at_ns, truth), self._address)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
