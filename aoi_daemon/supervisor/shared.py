"""All that the stages share: made once by the supervisor, kept for the life of the service.

Doorbells and memory outlive every stage, so a stage that is started again finds
things as its predecessor left them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType

from aoi_daemon.config.schema import LineConfig
from aoi_daemon.ring import events, verdicts
from aoi_daemon.ring.doorbell import make_pipe
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage import board as cells
from aoi_daemon.stage.stage import ring_layout

PIPES = ("announcements", "judgements")
_OF_A_CAMERA = ("frames", "triggers")


class Shared:
    """Descriptors by name; `fds_for(stage, index)` is what one stage may hold."""

    def __init__(self, config: LineConfig) -> None:
        self._owned = ExitStack()
        self.fds: dict[str, int] = {}
        self._memories: dict[str, SharedMemory] = {}
        self.cameras = len(config.cameras)
        try:
            self.board_memory = self._memory("board", cells.SIZE_BYTES)
            self.verdict_memory = self._memory("verdicts", verdicts.SIZE_BYTES)
            self.event_memory = self._memory("events", events.SIZE_BYTES)
            self.layouts = [ring_layout(config, camera) for camera in range(self.cameras)]
            self.ring_memories = [
                self._memory(f"ring{camera}", layout.size_bytes) for camera, layout in enumerate(self.layouts)
            ]
            for name in (*PIPES, *(f"{name}{camera}" for name in _OF_A_CAMERA for camera in range(self.cameras))):
                self.fds[f"{name}_r"], self.fds[f"{name}_w"] = make_pipe()
        except OSError:
            self._owned.close()
            raise
        self.board = cells.Board(self.board_memory)

    def _memory(self, name: str, size_bytes: int) -> SharedMemory:
        memory = self._owned.enter_context(SharedMemory.create(name, size_bytes))
        self.fds[name] = memory.fd
        self._memories[name] = memory
        return memory

    def fds_for(self, stage: str, index: int) -> dict[str, int]:
        """The descriptors that `stage` needs, by name."""
        rings, frames, triggers = (
            [name.format(camera) for camera in range(self.cameras)] for name in ("ring{}", "frames{}_r", "triggers{}_w")
        )
        names = {
            "acquire": ["board", f"ring{index}", "announcements_w", f"frames{index}_w", f"triggers{index}_r"],
            "inspection": ["board", *rings, *frames, "judgements_w"],
            "plc": ["board", "verdicts", "announcements_r", "judgements_r", *triggers],
        }[stage]
        return {name: self.fds[name] for name in names}

    @contextmanager
    def read_only_fds(self) -> Iterator[dict[str, int]]:
        """Descriptors of all the memory for the processes off the critical path, that cannot be mapped for writing."""
        with ExitStack() as owned:
            found = {}
            for name, memory in self._memories.items():
                found[name] = memory.read_only_fd()
                owned.callback(os.close, found[name])
            yield found

    def __enter__(self) -> Shared:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Only this process' hold ends here; the kernel frees the memory with the last stage.
        self._owned.close()
