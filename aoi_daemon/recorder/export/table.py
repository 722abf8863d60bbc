"""Recorded parts as a table: CSV, or one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TextIO

from aoi_daemon.files.cells import Table, text_cell
from aoi_daemon.records.fields import FIELDS, as_object
from aoi_daemon.records.rows import Part


def write_jsonl(parts: Iterable[Part], out: TextIO) -> None:
    """One JSON object a part."""
    for part in parts:
        out.write(json.dumps(as_object(part), ensure_ascii=False) + "\n")


def write_csv(parts: Iterable[Part], out: TextIO) -> None:
    """One row a part, the first names the columns; `defects` as `class score x1 y1 x2 y2; ...`."""
    table = Table(out)
    table.row(FIELDS)
    for part in parts:
        found = as_object(part)
        found["defects"] = "; ".join(
            f"{text_cell(each['class'])} {each['score']:g} " + " ".join(f"{value:g}" for value in each["box"])
            for each in found["defects"]
        )
        for name in ("passed", "delivered", "missed", "bypassed"):
            found[name] = int(found[name])
        table.row(found.values())
