"""Look for the targets that stay in view: has a camera been knocked since it was measured?

Process: recorder, a thread of its own. Blocks: in its sleep, and in OpenCV for some ms, without Python's lock, so that
the reader thread is not held up. Memory: copies a frame out of its ring for each look.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Final

from aoi_daemon.config.cameras import Camera
from aoi_daemon.config.lens import Lens, Watch
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import name_of, views_of
from aoi_daemon.ring.frames import FrameRing
from aoi_daemon.stage.board import Board
from aoi_daemon.stage.live_frames import LiveFrame, LiveFrames
from aoi_daemon.stage.stage import now_ns
from aoi_daemon.target.board import Target
from aoi_daemon.target.find import CalibrationError
from aoi_daemon.target.moved import find_near, moved

_SECOND: Final = 1_000_000_000
_AGAIN_NS: Final = _SECOND
"""From a look that found something wrong to the next one."""
_LOOKS: Final = 3
"""So many in a row must find it wrong: a hand over the target, or one shaken picture, is no knock."""
_TICK_S: Final = 0.25
_ANY_SIZE_MM: Final = 1.0
"""Places in px do not depend on how large the squares are."""


def wrong_in(lens: Lens, watch: Watch, frame: LiveFrame) -> str:
    """Why the target does not lie where it lay, in words; "": it does."""
    try:
        target = Target(watch.columns, watch.rows, _ANY_SIZE_MM)
        found = moved(lens, find_near("frame", frame.image, lens, target))
    except CalibrationError as error:
        return f"the target cannot be told ({error})"
    if found.farthest_px <= watch.most_px:
        return ""
    return f"{found.text}; allowed are {watch.most_px:g}"


class Watched:
    """When one camera's target is looked for, and what is said of it. Pure: time is passed in."""

    def __init__(self, every_s: float) -> None:
        self._every_ns = int(every_s * _SECOND)
        self._due_ns: int | None = 0
        self._wrong = 0
        self.said: str | None = None
        """Why it does not hold; "": it does; None: not known yet."""

    def due(self, now: int) -> bool:
        """Whether it is to be looked for at `now`, in ns."""
        return self._due_ns is not None and now >= self._due_ns

    def ask(self) -> None:
        """Look for it in the next frame."""
        self._due_ns = 0

    def saw(self, wrong: str, now: int) -> None:
        """A look at `now` found it `wrong`; "": as it was."""
        self._wrong = self._wrong + 1 if wrong else 0
        if not wrong:
            self.said = ""
            self._due_ns = now + self._every_ns if self._every_ns else None
            return
        if self._wrong >= _LOOKS or self.said:
            self.said = wrong
        self._due_ns = now + _AGAIN_NS


class _Camera:
    """One that has a target in view."""

    def __init__(self, number: int, section: Camera, lens: Lens, watch: Watch, frames: LiveFrames) -> None:
        self.number = number
        self.name = section.name
        self.lens, self.watch, self.frames = lens, watch, frames
        self.state = Watched(watch.every_s)
        self.last = 0


class Targets:
    """The targets of all cameras, and the thread that looks for them; without one there is no thread."""

    def __init__(
        self, board: Board, rings: Sequence[FrameRing], cameras: Sequence[Camera], recipe: Recipe, *, log: Any
    ) -> None:
        """Take what is needed of the line.

        Args:
            board: read only.
            rings: of all cameras, by their number.
            cameras: their sections.
            recipe: in use, whose views are named.
            log: of the process.
        """
        self._sections = cameras
        self._log = log
        self._recipe = recipe
        self._asked = threading.Event()
        self._cameras = [
            _Camera(number, section, section.calibration, section.calibration.watch, LiveFrames(board, ring, number))
            for number, (section, ring) in enumerate(zip(cameras, rings, strict=True))
            if section.calibration is not None and section.calibration.watch is not None
        ]

    def start(self) -> None:
        """Look from now on, until the process ends."""
        if self._cameras:
            threading.Thread(target=self._run, name="targets", daemon=True).start()

    def use(self, recipe: Recipe) -> None:
        """Another recipe, with other views."""
        self._recipe = recipe

    def ask(self) -> None:
        """Look for all of them in the next frames."""
        self._asked.set()

    def facts(self) -> dict[str, str | None]:
        """By the camera's name, why its target does not hold; "": it does; None: not known yet."""
        return {camera.name: camera.state.said for camera in self._cameras}

    def _run(self) -> None:
        while True:
            self._asked.wait(_TICK_S)
            if self._asked.is_set():
                self._asked.clear()
                for camera in self._cameras:
                    camera.state.ask()
            self.look(now_ns())

    def look(self, now: int) -> None:
        """Look for each that is due in its camera's newest frame, where one has come since it was looked for last."""
        for camera in self._cameras:
            if not camera.state.due(now):
                continue
            frame = camera.frames.copy(after=camera.last, fov=camera.watch.fov)
            if frame is None:
                continue
            camera.last = frame.number
            before = camera.state.said
            try:
                wrong = wrong_in(camera.lens, camera.watch, frame)
            except Exception as error:  # noqa: BLE001  said like a target that is gone: no record must be lost for it
                wrong = f"the target cannot be looked for ({error!r})"
            camera.state.saw(wrong and f"{self._where(camera, frame.fov)}: {wrong}", now)
            if bool(before) is not bool(camera.state.said):
                told = self._log.warning if camera.state.said else self._log.info
                told("target", camera=camera.name, moved=camera.state.said)

    def _where(self, camera: _Camera, fov: int) -> str:
        """The view, by its name where the recipe gives it one, and its camera."""
        view = name_of(views_of(self._recipe, self._sections), camera.number, fov) if self._recipe.views else ""
        return f"view {view} (camera {camera.name})" if view else f"camera {camera.name}"
