"""What all open pages share: the line as it is now, its pictures and figures, and the gate to the actions.

Process: hmi. Blocks: nowhere; what reads a disk does so in a worker thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from markupsafe import Markup

from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.views import views_of
from aoi_daemon.hmi.access.roles import Refused
from aoi_daemon.hmi.api.routes import Backend
from aoi_daemon.hmi.live import Live
from aoi_daemon.hmi.pictures import Pictures
from aoi_daemon.hmi.shifts.figures import Base, ShiftFigures, Tally, read_base
from aoi_daemon.hmi.shifts.times import Shift, shift_at
from aoi_daemon.hmi.widgets.classes import class_name
from aoi_daemon.infer.bundle import MANIFEST
from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.stage.logs import logger
from aoi_daemon.stage.stage import Stage
from aoi_daemon.texts.words import Words

_SINCE_START: Final = "-"
T = TypeVar("T")
Cell = Callable[["Site", Words], Markup]
_LASTS_S: Final[dict[Cell, float]] = {}


def lasts(seconds: float) -> Callable[[Cell], Cell]:
    """What such a cell shows is not drawn anew before `seconds` are over."""

    def mark(cell: Cell) -> Cell:
        _LASTS_S[cell] = seconds
        return cell

    return mark


class Site:
    """One for the process. `folder` is that of the records, None where none are kept."""

    def __init__(self, stage: Stage, backend: Backend) -> None:
        self.stage = stage
        self.backend = backend
        self.access = backend.access
        self.actions = backend.actions
        self.config: LineConfig = stage.config
        recorder = stage.config.recorder
        self.folder: Path | None = None
        if recorder is not None:
            self.folder = stage.setup.config_file.parent / recorder.folder
        self.live = Live(stage, backend.verdict_memory)
        rings = [stage.frame_ring(camera) for camera in range(len(stage.config.cameras))]
        self.pictures = Pictures(rings, stage.setup.recipe, stage.config.cameras)
        self._counting: asyncio.Task[None] | None = None
        self._rendered: dict[tuple[Cell, str], Markup] = {}
        self._drawn_s: dict[tuple[Cell, str], float] = {}
        self._log = logger()
        self.use(stage.setup.recipe)
        self.figures = ShiftFigures(Base(self._no_shift()))

    def use(self, recipe: Recipe) -> None:
        """Another recipe is in use: its classes, its templates."""
        self.recipe = recipe
        self.views = views_of(recipe, self.config.cameras)
        self.classes: Sequence[str] = ()
        self._classes: dict[int, Sequence[str]] = {}
        for folder in dict.fromkeys(view.recipe.bundle for view in reversed(self.views)):
            try:
                # Not all of the bundle: inspection has checked every file of it.
                raw = (folder / MANIFEST).read_bytes()
                self.classes = Manifest.model_validate_json(raw).classes
            except (OSError, ValueError) as error:
                self._log.warning("classes_not_known", bundle=str(folder), error=str(error))
            else:
                self._classes[int(hashlib.sha256(raw).hexdigest()[:16], 16)] = self.classes
        self.pictures.use(recipe)
        self.backend.metrics.changed(self.classes, self._classes)

    def class_of(self, part: Outcome, label: int) -> str:
        """The name of class `label` of what judged `part`."""
        return class_name(self._classes.get(part.bundle, self.classes), label)

    @property
    def beside(self) -> Mapping[str, Mapping[str, Any]]:
        """What the processes off the critical path say of themselves, by their name."""
        return self.backend.metrics.source.facts

    def now_s(self) -> float:
        """The time by which parts are dated, Unix seconds: the wall clock's, but for one that is in doubt."""
        return time.time() - self.live.wall_ahead_s

    def heed_clock(self) -> None:
        """Take in what the recorder says of the wall clock; what it said last counts while it says nothing."""
        told = self.beside.get("recorder", {}).get("clock")
        ahead_s = told.get("ahead_s") if isinstance(told, Mapping) else None
        if isinstance(ahead_s, (int, float)):
            self.live.wall_ahead_s = float(ahead_s)

    def shift_now(self, now_s: float) -> Shift:
        """The running shift; without records the time since the start."""
        section = self.config.hmi
        if self.folder is None or section is None:
            return self._no_shift()
        return shift_at(now_s, section.shifts)

    @staticmethod
    def _no_shift() -> Shift:
        return Shift(0.0, 0.0, _SINCE_START)

    def count(self, parts: Sequence[Outcome]) -> None:
        """Add parts to the shift's figures."""
        self.figures.add(
            Tally(part.part, self.live.wall_s(part.sent_ns or part.judged_ns or part.deadline_ns), self._cause(part))
            for part in parts
        )

    def _cause(self, part: Outcome) -> str:
        if part.passed:
            return ""
        # As the records name it, or one reject would stand in two bars.
        return self.class_of(part, part.worst_class) if part.worst_class >= 0 else reason_name(part.reason)

    def recount(self, now_s: float) -> None:
        """Count the shift anew from the records, in the background."""
        if self.folder is not None and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._recount(now_s))

    async def _recount(self, now_s: float) -> None:
        assert self.folder is not None
        try:
            base = await self.backend.desk.run(read_base, self.folder, self.stage.setup.run, self.shift_now(now_s))
        except Refused:
            return  # much is waiting for the daemon; the next minute counts again
        self.figures.rebase(base)

    async def recounted(self, now_s: float) -> None:
        """Count the shift anew, now: somebody has changed the records and looks at the figures."""
        if self._counting is not None:
            await self._counting  # it may have read before the change
        await self._recount(now_s)

    def render(self, cell: Cell, words: Words) -> Markup:
        """`cell` in the language of `words`: once for all who look, until `new_generation`."""
        key = (cell, words.language)
        if key not in self._rendered:
            self._rendered[key] = cell(self, words)
            if cell in _LASTS_S:
                self._drawn_s[key] = time.monotonic()
        return self._rendered[key]

    def new_generation(self) -> None:
        """The line has moved: what was rendered is old."""
        now_s = time.monotonic()
        self._drawn_s = {key: at_s for key, at_s in self._drawn_s.items() if now_s - at_s < _LASTS_S[key[0]]}
        self._rendered = {key: self._rendered[key] for key in self._drawn_s}

    async def read(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(*arguments)`, which reads a disk, in a worker thread."""
        return await self.backend.desk.run(work, *arguments)


def reason_name(reason: int) -> str:
    """The name of a reason; its number for one that this version does not know."""
    try:
        return Reason(reason).name
    except ValueError:
        return f"#{reason}"
