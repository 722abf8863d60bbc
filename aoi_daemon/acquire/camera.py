"""What acquire expects of a camera, whoever made it."""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.messages import Arrival


class Dropped(enum.IntEnum):
    """Why a frame is no part: its part has been announced."""

    NO = 0
    LATE = -1  # another one overtook it, and it was counted as missing then
    DOUBLED = -2


class Grab(NamedTuple):
    """One part that came past the camera.

    `shape` is (height, width, channels) of what was written, channels as the
    line is configured. `trigger_ns` is 0 where the camera gives no stamp that
    can be told in CLOCK_MONOTONIC. `missed_before` counts the parts that the
    camera saw and did not deliver since the last grab (a gap in its frame ids). `trigger_id`
    is the PLC's number of the trigger, 0 where it is not known. `dropped`: nothing was written, and nothing is to
    be announced.
    """

    arrival: Arrival
    shape: tuple[int, int, int]
    fov: int = 0
    trigger_ns: int = 0
    missed_before: int = 0
    has_template: bool = False
    trigger_id: int = 0
    dropped: Dropped = Dropped.NO


class CameraDriver(Protocol):
    """A camera. All calls come from one thread; a lost camera raises CameraError from any of them.

    After a CameraError the driver is closed and a new one is opened from
    scratch: nothing of the old one is used again.
    """

    def open(self) -> None:
        """Find the device, apply and check its settings, start it. Flush what is stale.

        Raises:
            CameraError: no such device, or it does not start.
            CameraSettingError: a node is unknown or refused its value.
        """

    def fetch_into(
        self, image: NDArray[np.uint8], template: NDArray[np.uint8], timeout_s: float
    ) -> Grab | None:
        """Wait for the next part, at most `timeout_s`, and write it to the planes (flat uint8).

        The frame is written to the front of `image` as (H, W, channels), rows
        without padding; a replayed pair's template to the front of `template`.
        None: no part came in time.
        """

    def close(self) -> None:
        """Stop and release the device; never raises, may be called twice."""
