"""The one clock of all pages: reads the line, and sends each browser what has changed.

Process: hmi. Blocks: nowhere; it sleeps between two reads. With nobody looking it reads twice a second and
renders nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from aoi_daemon.config.views import name_of, recipe_for
from aoi_daemon.hmi.pictures import Choice, Shot
from aoi_daemon.hmi.site import Site, reason_name
from aoi_daemon.hmi.stream.opened import Opened
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.boxes import Box, overlay, verdict
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.messages import Outcome
from aoi_daemon.stage.stage import now_ns
from aoi_daemon.texts.words import Words

_LOOK_S: Final = 0.12
"""While somebody looks at pictures: a ring of 8 frames at 50 ms holds a reject for 0.4 s."""
_IDLE_S: Final = 0.5
_PUSH_NS: Final = 220_000_000
"""With every second look: what has come since is seen within 0.3 s, and four pictures a second are more than read."""
_RECOUNT_S: Final = 60.0
_RETRY_S: Final = 3.0


class Pulse:
    """Beats for the pages of `site` that are `opened`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.opened = Opened()
        self._choice = Choice()
        self._shot: Shot | None = None
        self._told: dict[str, dict[str, Any]] = {}
        self._pushed_ns = 0
        self._recount_at = 0.0

    def open(self, page: Page) -> None:
        """A browser has opened `page`: it sees the last part, also on a line that stands."""
        self.opened.add(page)
        last = self.site.live.last
        if page.wants_pictures and last is not None and (self._shot is None or self._shot.part.part < last.part):
            self._show(last)

    @property
    def browsers(self) -> int:
        """Open pages that are connected."""
        return len(self.opened.listened_to())

    @property
    def shot(self) -> Shot | None:
        """The part that is shown."""
        return self._shot

    async def run(self) -> None:
        """Until the process is to end; the pages are told, so that none shows old figures for a while."""
        while not self.site.stage.stopping:
            self.beat()
            looked_at = any(page.wants_pictures for page in self.opened.listened_to())
            await asyncio.sleep(_LOOK_S if looked_at else _IDLE_S)
        for page in self.opened.listened_to():
            page.wake()

    def beat(self) -> None:
        """Read what is new; every so often tell it."""
        site = self.site
        site.heed_clock()
        parts = site.live.read()
        site.count(parts)
        pages = self.opened.listened_to()
        if any(page.wants_pictures for page in pages):
            self._choose(parts)
        now = now_ns()
        if pages and now - self._pushed_ns >= _PUSH_NS:
            self._pushed_ns = now
            self._push(pages)

    def _choose(self, parts: list[Outcome]) -> None:
        part = self._choice.of(parts, now_ns())
        # A reject's frame is taken at once, before its slot is used again; of the good ones one for each push.
        if part is not None and (not part.passed or now_ns() - self._pushed_ns >= _PUSH_NS):
            self._show(part)

    def _show(self, part: Outcome) -> None:
        self._shot = self.site.pictures.take(part)
        self._told.clear()

    def _push(self, pages: list[Page]) -> None:
        site, now_s = self.site, self.site.now_s()
        shift = site.figures.base.shift
        mono_s = time.monotonic()
        if mono_s >= self._recount_at or not shift.since <= now_s < shift.until:
            self._recount_at = mono_s + (_RETRY_S if site.figures.base.problem else _RECOUNT_S)
            site.recount(now_s)
        site.new_generation()
        for page in pages:
            page.wake()

    def tell(self, page: Page) -> dict[str, Any] | None:
        """What the browser of `page` is to know now; None: its login has ended, and it has to ask anew.

        `at`: when this was so, ms of CLOCK_MONOTONIC. By it a browser sees that a beat was held up on its way.
        """
        site = self.site
        if page.session is not None and not site.access.valid(page.session):
            return None
        hung_s = round(site.live.supervisor_age_s(), 2)
        message = {"at": now_ns() // 1_000_000, "hung": hung_s, "clock": cells.clock(site.now_s()), **page.news()}
        if site.stage.stopping:
            return {**message, "do": [["gone"]], "last": True}
        if page.wants_pictures and self._shot is not None and page.shot is not self._shot:
            page.shot = self._shot
            message["part"] = self._part(page.words)
        return message

    def _part(self, words: Words) -> dict[str, Any]:
        assert self._shot is not None
        if words.language not in self._told:
            self._told[words.language] = shot_message(self.site, self._shot, words)
        return self._told[words.language]


def shown_by(site: Site, part: Outcome) -> str:
    """The view that decided; a picture that none names by its camera and field of view."""
    camera = site.config.cameras[part.camera].name
    return name_of(site.views, part.camera, part.fov) or f"{camera} · fov {part.fov}"


def shot_message(site: Site, shot: Shot, words: Words) -> dict[str, Any]:
    """What the browser needs to show `shot`."""
    part = shot.part
    boxes = [Box(words.cause(site.class_of(part, found.label)), *found[1:]) for found in part.found]
    # A view's name says more than its camera's, and of several pictures the one that decided is told.
    camera = f" · {shown_by(site, part)}" if len(site.views) > 1 else ""
    at = cells.clock(site.live.wall_s(part.sent_ns or part.deadline_ns))
    caption = f"{words('part', number=part.part)} · {at}{camera}"
    # Boxes are in the template's px where the recipe aligns: on the frame they lie where the board lay.
    shift_px = (0.0, 0.0)
    recipe = recipe_for(site.views, part.camera, part.fov)
    if recipe is not None and recipe.registration is not None:
        per_hundredth = recipe.px_per_mm / 100
        shift_px = (part.offset_x * per_hundredth, part.offset_y * per_hundredth)
    size = (shot.width_px, shot.height_px)
    frame = f"/live/{part.part}/frame.jpg?{site.stage.setup.run[:8]}" if shot.frame is not None else ""
    template = f"/live/{part.part}/template.jpg?{shot.template_key}" if shot.template is not None else ""
    return {
        "part": part.part,
        "passed": part.passed,
        "verdict": verdict(words, passed=part.passed, reason=reason_name(part.reason), boxes=boxes,
                           count=part.defect_count, caption=caption),
        "frame": frame,
        "template": template,
        "frame_boxes": overlay(boxes, *size, shift_px),
        "template_boxes": overlay(boxes, *size, named=False),
    }  # fmt: skip
