"""Which of the devices that a producer offers is the line's camera.

Pure. harvesters' own search counts a device that cannot tell a property as a match, and so opens the
wrong camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aoi_daemon.errors import CameraError


class Device(NamedTuple):
    """What a device says of itself; None where it does not."""

    serial: str | None
    model: str | None
    user_name: str | None

    def __str__(self) -> str:
        named = f", user name {self.user_name!r}" if self.user_name else ""
        return f"{self.model or 'unknown model'} (serial {self.serial!r}{named})"


def choose(
    devices: Sequence[Device],
    *,
    serial: str | None = None,
    model: str | None = None,
    user_name: str | None = None,
) -> int:
    """The index of the one device that has the given property; with none given, of the only device.

    Raises:
        CameraError: no device has it, or more than one. Lists the devices that are there.
    """
    wanted = Device(serial, model, user_name)
    keys = [key for key, value in wanted._asdict().items() if value is not None]
    found = [
        index
        for index, device in enumerate(devices)
        if all(getattr(device, key) == getattr(wanted, key) for key in keys)
    ]
    if len(found) == 1:
        return found[0]
    sought = " and ".join(f"{key} {getattr(wanted, key)!r}" for key in keys)
    there = "; ".join(str(device) for device in devices) or "none"
    if not found:
        raise CameraError(f"no camera {f'with {sought} ' if sought else ''}is there; there are: {there}")
    # Which one is found first may differ from one start to the next, and with it which view is judged.
    which = f"{len(found)} cameras have {sought}" if sought else "no camera is named"
    raise CameraError(f"{which}: name one by its serial; there are: {there}")
