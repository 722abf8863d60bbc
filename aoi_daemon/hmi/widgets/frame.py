"""The frame of every page: head, navigation, the banner for old data, dialogs; `templates/frame.html` has its HTML."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from aoi_daemon.hmi.widgets import cells
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.texts.words import LANGUAGES

if TYPE_CHECKING:
    from aoi_daemon.hmi.widgets.shell import Page

STATIC: Final = Path(__file__).parents[1] / "static"
_FILES: Final = ("page.css", "page.js", "zoom.js")
_CONTENT: Final = f"{zlib.crc32(b''.join((STATIC / name).read_bytes() for name in _FILES)):08x}"
"""In the files' addresses: a browser that has kept older ones asks for the new."""
_PAGES: Final = (
    ("main", "/", True), ("rejects", "/rejects", True), ("alarms", "/alarms", True), ("report", "/report", True),
    ("find", "/find", False), ("recipe", "/recipe", False), ("commissioning", "/commissioning", False),
    ("help", "/help", False),
)  # fmt: skip
"""Name, address, and whether it has a place of its own on a phone; the rest is behind `More` there."""


def frame(page: Page, body: Markup) -> Markup:
    """The complete page around `body`."""
    words, line = page.words, page.site.config.line.name
    return lay_out(
        "frame.html", words, page=page, body=body, line=line, content=_CONTENT,
        title=f"{words(page.here)} – {line}".replace("\u00ad", ""),
        theme="night" if page.request.cookies.get("aoi-theme") == "night" else "day",
        other=next(one for one in LANGUAGES if one != words.language), path=page.request.url.path, pages=_PAGES,
        head_state=page.cell("head-state", cells.head_state, "live told"),
        head_alarms=page.cell("head-alarms", cells.head_alarms),
        bypass=page.cell("bypass", cells.bypass_banner),
    )  # fmt: skip
