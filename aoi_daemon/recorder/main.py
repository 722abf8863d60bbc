"""The recorder: a row for each part, pictures of those that matter.

Process: recorder, off the critical path. Blocks: the reader thread in a select of some ms, the disk thread on the
disk. Memory: reads the rings; copies frames into memory of its own.

The reader thread must be back before the frame ring has come round; whatever takes longer is the disk thread's, or that
of the targets.
"""

from __future__ import annotations

import os
import select
import threading
from typing import Any, Final

import cv2

from aoi_daemon.config.frame_memory import kept_frames, spare_frames
from aoi_daemon.config.load import load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.errors import AoiError
from aoi_daemon.files.modes import OTHERS
from aoi_daemon.recorder.disk import Disk
from aoi_daemon.recorder.flight import FlightRecorder
from aoi_daemon.recorder.health import OK
from aoi_daemon.recorder.inbox import Inbox
from aoi_daemon.recorder.mending import close_pictures
from aoi_daemon.recorder.reader import Reader
from aoi_daemon.recorder.session import Line
from aoi_daemon.recorder.targets import Targets
from aoi_daemon.ring import events, verdicts
from aoi_daemon.stage.stage import Stage, now_ns

_MOST_POLL_S: Final = 0.01
_LEAST_POLL_S: Final = 0.001
_TELL_NS: Final = 1_000_000_000
_END_S: Final = 4.0
_CLOCK_S: Final = 0.5
"""What was kept of the clock is waited for so long: a disk that hangs must not cost frames."""


class Recorder:
    """The threads of one recorder, and what it says of itself."""

    def __init__(self, stage: Stage, section: RecorderSection) -> None:
        self.stage = stage
        self.log = stage.log
        config = stage.config
        cameras = range(len(config.cameras))
        spare = spare_frames(config)
        rings = [stage.frame_ring(camera) for camera in cameras]
        self.flights = [
            FlightRecorder(ring, camera, keep=kept_frames(config, slots), spare=spare)
            for camera, (ring, slots) in enumerate(zip(rings, map(config.ring.slots_of, config.cameras), strict=True))
        ]
        self.inbox = Inbox(rows=section.queue_parts, pictures=spare, cameras=len(cameras))
        self.verdicts = verdicts.VerdictReader(stage.memory("verdicts", verdicts.SIZE_BYTES), from_start=True)
        self.events = events.EventReader(stage.memory("events", events.SIZE_BYTES), from_start=True)
        self.reader = Reader(
            stage.board, self.verdicts, self.events, self.flights, self.inbox, run=stage.setup.run,
            around=section.around, sampled_percent=section.passes_sampled_percent, views_ns=int(config.views_ms * 1e6),
            since_ns=now_ns(),
        )  # fmt: skip
        line = Line(stage.setup.run, config.line.name, tuple(camera.name for camera in config.cameras))
        self.folder = section.folder_in(stage.setup.config_file.parent)
        self.disk = Disk(
            self.folder, section, line, recipes=all_recipes(stage), inbox=self.inbox, flights=self.flights, log=self.log
        )
        self.targets = Targets(stage.board, rings, config.cameras, stage.setup.recipe, log=self.log)
        self.poll_s = poll_s(config)
        self._told_ns = 0
        self._state = OK

    def run(self) -> None:
        """Record until stopped; then what is left."""
        self.disk.start()
        self.targets.start()
        # A thread of its own, which nobody waits for: it is done once, after an update, and then again in no time.
        threading.Thread(target=close_pictures, args=(self.folder, self.log), name="modes", daemon=True).start()
        self.disk.clock.known.wait(_CLOCK_S)
        control = [self.stage.control.fileno()]
        while not self.stage.stopping:
            self.look()
            ready, _, _ = select.select(control, [], [], self.poll_s)
            if ready:
                for command in self.stage.commands():
                    self.obey(command)
        while self.look():
            pass
        self.reader.finish(now_ns(), self.disk.clock.time())
        if not self.disk.finish(_END_S):
            self.log.error("records_cut_short", rows=self.inbox.rows_waiting, pictures=self.inbox.pictures_waiting)

    def look(self) -> int:
        """Take in what is new; how many parts."""
        self.disk.check()
        now = now_ns()
        found = self.reader.look(now, self.disk.clock.time())
        if now - self._told_ns >= _TELL_NS:
            self._told_ns = now
            self.tell(now)
        return found

    def obey(self, command: dict[str, Any]) -> None:
        """A new recipe brings new names; a person confirms the clock, or has the targets looked for."""
        if command["do"] == "recipe":
            recipe = Recipe.model_validate_json(command["recipe"])
            self.disk.new_recipe(recipe)
            self.targets.use(recipe)
        elif command["do"] == "clock":
            self.disk.clock.confirm(command["by"])
        elif command["do"] == "targets":
            self.targets.ask()

    def tell(self, now: int) -> None:
        """Say how it goes, and log when that has changed."""
        inbox, counts, health = self.inbox, self.disk.counts, self.disk.health
        if inbox.lost_ns and now - inbox.lost_ns < 2 * _TELL_NS:
            health.behind(now)
        state = health.state(now)
        facts = {
            "state": state,
            "parts": counts.parts,
            "pictures": counts.pictures,
            "pictures_lost": inbox.pictures_lost,
            "rows_waiting": inbox.rows_waiting,
            "pictures_waiting": inbox.pictures_waiting,
            "frames_missed": sum(flight.missed for flight in self.flights),
            "parts_lost": self.verdicts.lost,
            "events_lost": self.events.lost,
            "free_gb": round(counts.free_bytes / 1e9, 2),
            "longest_write_ms": round(health.longest_ns / 1e6, 1),
            "clock": self.disk.clock.facts(),
            "targets": self.targets.facts(),
        }
        if counts.forward_percent < 100:
            facts["brought_forward_percent"] = counts.forward_percent
        if counts.aside:
            facts["damaged"] = counts.aside
        self.stage.tell(tell="alive", **facts)
        if state != self._state:
            log = self.log.info if state == OK else self.log.error
            log("recorder_state", was=self._state, **facts)
            self._state = state


def poll_s(config: LineConfig) -> float:
    """Time between two looks: a quarter of what the frame ring holds, and no more than 10 ms."""
    slots = min(config.ring.slots_of(camera) for camera in config.cameras)
    ring_s = (slots - 1) * config.line.takt_ms / 1e3
    return min(_MOST_POLL_S, max(_LEAST_POLL_S, ring_s / 4))


def all_recipes(stage: Stage) -> list[Recipe]:
    """The recipe that the line runs, and those beside it: parts of another product may still be in the ring."""
    try:
        others = list(load(stage.setup.config_file).recipes.values())
    except AoiError:
        others = []  # being edited; the recipe of the line is known in any case
    return [*others, stage.setup.recipe]


def main(stage: Stage) -> None:
    """Entry of the process."""
    section = stage.config.recorder
    if section is None:
        return
    os.umask(OTHERS)
    # PNG has no use for OpenCV's pool, and no core to spare for it.
    cv2.setNumThreads(1)
    Recorder(stage, section).run()
