"""The pipe through which plc tells one camera's process what it read of the PLC's triggers.

Process: acquire. Blocks: nowhere. Memory: none.
"""

from __future__ import annotations

import os

from aoi_daemon.errors import CameraError
from aoi_daemon.messages import READING, Reading


class TriggerPipe:
    """The read end `fd`, of records `Reading`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def flush(self) -> None:
        """Forget what was read while there was no camera: the time of those parts is over."""
        while self.take() is not None:
            pass

    def take(self) -> Reading | None:
        """The oldest reading that waits; None where none does.

        Raises:
            CameraError: the pipe is closed, or what came is no record.
        """
        try:
            record = os.read(self.fd, READING.size)
        except BlockingIOError:
            return None
        except OSError as error:
            raise CameraError(f"the triggers' pipe cannot be read: {error.strerror}") from error
        if len(record) != READING.size:
            raise CameraError(f"the triggers' pipe gave {len(record)} bytes: its writer is gone")
        return Reading.unpack(record)
