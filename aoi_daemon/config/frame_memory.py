"""How much memory frames take: in each camera's ring, and in the copies that the recorder keeps of them."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from aoi_daemon.config.schema import LineConfig

_MIB: Final = 1 << 20
_LEAST_SPARE: Final = 2
"""Pictures of each camera that may wait for the disk, however large they are."""
_MOST_OF_THE_PC: Final = 0.75
"""What is left is for the model, the system and its cache; more than this could not be had without swapping."""


class FrameMemory(NamedTuple):
    """Of one camera.

    Attributes:
        slots: frames in the ring, which is taken at the start.
        copies: frames that the recorder may keep, which it takes as it needs them; 0: no recorder.
        frame_bytes: of one frame, and its template where it brings one.
    """

    slots: int
    copies: int
    frame_bytes: int


def frame_memory(line: LineConfig) -> list[FrameMemory]:
    """Of each camera."""
    found = []
    for camera in line.cameras:
        slots = line.ring.slots_of(camera)
        # A complete ring may be copied before the old ones are let go, and the frame that is being written.
        copies = 0 if line.recorder is None else kept_frames(line, slots) + spare_frames(line) + slots + 1
        found.append(FrameMemory(slots, copies, camera.slot_bytes))
    return found


def kept_frames(line: LineConfig, slots: int) -> int:
    """Frames of one camera that the recorder keeps whatever becomes of them, until their verdict is known and after."""
    around = 0 if line.recorder is None else line.recorder.around
    return around + slots + int(line.line.deadline_ms / line.line.takt_ms) + 2


def spare_frames(line: LineConfig) -> int:
    """How many frames of each camera may wait for the disk."""
    if line.recorder is None:
        return 0
    each = sum(camera.slot_bytes for camera in line.cameras)
    return max(_LEAST_SPARE, line.recorder.buffer_mb * 1_000_000 // each)


def memory_problems(line: LineConfig, pc_bytes: int | None = None) -> list[str]:
    """Why the rings cannot be had on a PC of `pc_bytes` (None: this one), before the kernel ends a process for it."""
    pc_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if pc_bytes is None else pc_bytes
    rings = sum(camera.slots * camera.frame_bytes for camera in frame_memory(line))
    if rings <= _MOST_OF_THE_PC * pc_bytes:
        return []
    least = sum(3 * camera.frame_bytes for camera in frame_memory(line))
    return [
        f"ring: frames of {rings / _MIB:.0f} MiB at once, this PC has {pc_bytes / _MIB:.0f}: set ring.max_mib, for "
        f"each camera; with three frames of each it is {least / _MIB:.0f} MiB"
    ]


def in_words(line: LineConfig) -> str:
    """One line for a person."""
    parts = []
    for camera, memory in zip(line.cameras, frame_memory(line), strict=True):
        said = f"{camera.name} {memory.slots} of {memory.frame_bytes / _MIB:.1f} MiB"
        parts.append(said + (f", recorder at most {memory.copies}" if memory.copies else ""))
    total = sum(camera.frame_bytes * (camera.slots + camera.copies) for camera in frame_memory(line))
    return f"frames kept in memory: {'; '.join(parts)}; {total / _MIB:.0f} MiB at most"
