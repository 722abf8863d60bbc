"""Which of the devices that a producer offers is the line's camera.

Pure. harvesters' own search counts a device that cannot tell a property as a match, and so opens the
wrong camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aoi_daemon.errors import CameraError


class Device(NamedTuple):
    """What a device says of itself, as it says it; None where it does not."""

    serial: str | None
    model: str | None
    user_name: str | None
    device_id: str | None = None
    vendor: str | None = None

    def __str__(self) -> str:
        said = [f"serial {self.serial!r}"]
        if plain(self.device_id):
            said.append(f"id {self.device_id!r}")
        if plain(self.user_name):
            said.append(f"user name {self.user_name!r}")
        return f"{plain(self.vendor)} {plain(self.model) or 'unknown model'} ({', '.join(said)})".lstrip()


def plain(word: str | None) -> str:
    """`word` to compare by: a camera's fixed field ends at its first NUL or its last blank; "" where it is empty."""
    return "" if word is None else word.partition("\0")[0].strip()


def choose(
    devices: Sequence[Device],
    *,
    serial: str | None = None,
    model: str | None = None,
    user_name: str | None = None,
    device_id: str | None = None,
    index: int | None = None,
) -> int:
    """The place in `devices` of the one that has the given property; with none given, of the only device.

    `index` chooses among those, in the order of their ids: the order in which they are found may differ from one
    start to the next.

    Raises:
        CameraError: no device has it, or more than one. Lists the devices that are there.
    """
    wanted = {"serial": serial, "model": model, "user_name": user_name, "device_id": device_id}
    keys = [key for key, value in wanted.items() if value is not None]
    found = [
        place
        for place, device in enumerate(devices)
        if all(plain(getattr(device, key)) and plain(getattr(device, key)) == plain(wanted[key]) for key in keys)
    ]
    sought = " and ".join(f"{key} {wanted[key]!r}" for key in keys)
    listed = sorted(devices, key=_order)
    there = "; ".join(f"{place}: {device}" for place, device in enumerate(listed)) or "none"
    if index is not None:
        found.sort(key=lambda place: _order(devices[place]))
        if index < len(found):
            if sum(_order(devices[place]) == _order(devices[found[index]]) for place in found) > 1:
                raise CameraError(f"index {index}: cameras of the same id have no order; there are: {there}")
            return found[index]
        of = f" with {sought}" if sought else ""
        raise CameraError(f"index {index}: there are {len(found)} cameras{of}; counted from 0; there are: {there}")
    if len(found) == 1:
        return found[0]
    if not found:
        raise CameraError(f"no camera {f'with {sought} ' if sought else ''}is there; there are: {there}")
    # Which one is found first may differ from one start to the next, and with it which view is judged.
    which = f"{len(found)} cameras have {sought}" if sought else "no camera is named"
    raise CameraError(f"{which}: name one by its serial, or its device_id; there are: {there}")


def _order(device: Device) -> tuple[str, str]:
    return plain(device.device_id), plain(device.serial)
