"""The pages that browsers have open, by their id. Pure: times are passed in as CLOCK_MONOTONIC s.

A page whose stream has ended is kept for a while, as it is: a tab that comes to the front again, or a phone that wakes
up, goes on where it was. What is kept is bounded, whoever opens pages and leaves them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aoi_daemon.hmi.widgets.shell import Page

KEPT_S: Final = 600.0
NEVER_LISTENED_S: Final = 60.0
"""A browser begins to listen as soon as it has the page; one that has not for so long is none."""
MOST: Final = 256


class Opened:
    """Those pages; the one that was listened to longest ago makes room for another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._until_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def add(self, page: Page) -> None:
        """A browser has asked for `page`."""
        self._forget_old()
        self._pages[page.id] = page
        self._until_s[page.id] = self._clock() + NEVER_LISTENED_S
        while len(self._pages) > MOST and self._until_s:
            self._forget(next(page_id for page_id in self._pages if page_id in self._until_s))

    def find(self, page_id: str) -> Page | None:
        """The page with that id; None: there is none, or no more."""
        self._forget_old()
        return self._pages.get(page_id)

    def listened_to(self) -> list[Page]:
        """Those with an open stream."""
        return [page for page in self._pages.values() if page.listener is not None]

    def begins(self, page: Page) -> None:
        """A stream of `page` has begun."""
        self._until_s.pop(page.id, None)

    def ends(self, page: Page) -> None:
        """The stream of `page` has ended."""
        self._pages[page.id] = page
        self._pages.move_to_end(page.id)
        self._until_s[page.id] = self._clock() + KEPT_S

    def _forget_old(self) -> None:
        now_s = self._clock()
        for page_id in [page_id for page_id, until_s in self._until_s.items() if now_s >= until_s]:
            self._forget(page_id)

    def _forget(self, page_id: str) -> None:
        del self._pages[page_id]
        del self._until_s[page_id]
