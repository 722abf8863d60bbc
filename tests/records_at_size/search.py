"""Searches on records that `make` has written: each filter alone, with a day and without an end, and several together.

Cold: the database was dropped from the system's cache before each. A search that is cut off by its time says how far it
looked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from aoi_daemon.hmi.find.asked import read_asked
from aoi_daemon.hmi.find.read import read_found
from aoi_daemon.hmi.pages.find import SHOWN
from aoi_daemon.records.database import open_reader
from tests.records_at_size.processes import drop

LIMIT_S: Final = 0.5
_DAY_S: Final = 86_400.0
_ONE: Final = (
    {}, {"part": "12345"}, {"recipe": "board-a"}, {"recipe": "none"}, {"passed": "false"}, {"class": "pin-hole"}, {"class": "none"},
    {"reason": "NO_IMAGE"}, {"reason": "OPTICS"}, {"camera": "top"}, {"camera": "none"}, {"view": "none"}, {"review": "none"},
    {"review": "defect"}, {"score_min": "0.8"}, {"score_min": "0.99"},
)  # fmt: skip
_SEVERAL: Final = (
    {"recipe": "board-b", "class": "spur", "review": "false_call"}, {"recipe": "board-a", "camera": "none"},
    {"class": "none", "score_min": "0.5", "review": "any"}, {"passed": "true", "camera": "top", "view": "none"},
)  # fmt: skip


def searches(records: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Rows of the table: what, measured, limit, and whether it is kept."""
    with closing(open_reader(records)) as connection:
        (newest,) = connection.execute("SELECT at FROM parts ORDER BY id DESC LIMIT 1").fetchone()
    ends = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(newest - back * _DAY_S)) for back in (2, 1)]
    for filters in (*_ONE, *_SEVERAL):
        for name, span in (("a day", {"from": ends[0], "to": ends[1]}), ("all", {})):
            asked = read_asked({**filters, **span}.items())
            drop(records)
            began_s = time.monotonic()
            found, _ = read_found(records, asked, SHOWN)
            took_s = time.monotonic() - began_s
            back_h = 0.0 if found.searched_to is None else (newest - found.searched_to) / 3600
            state = "full" if found.full else "all" if found.place is None else f"cut off {back_h:.1f} h back"
            what = ", ".join(f"{key} = {value}" for key, value in filters.items()) or "time alone"
            yield f"search, {what}, {name}, cold", f"{took_s:.2f} s: {len(found.parts)}, {state}", f"{LIMIT_S} s", took_s < LIMIT_S
