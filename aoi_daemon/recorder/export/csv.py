"""The table of very many parts as CSV, as `export_table.write_csv` writes it, and several times as fast.

A row of the database becomes a line without a `Part` in between: texts are the same over millions of parts, so each is
made a cell once; what few parts have (pictures, defects, a review) is asked for by itself.
"""

from __future__ import annotations

import io
import json
import re
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TextIO

from aoi_daemon.files.cells import Table, text_cell
from aoi_daemon.messages import Proof
from aoi_daemon.records.fields import FIELDS
from aoi_daemon.records.times import iso

_PARTS: Final = """
SELECT p.id, p.run_id, p.product_id, p.part, p.at, p.camera, p.fov, p.sequence, p.passed, p.reason, p.defect_count,
       p.worst_class, p.offset_x, p.offset_y, p.latency_ms, p.delivered, p.missed, p.trigger_ns, p.ready_ns,
       p.deadline_ns, p.picked_ns, p.inferred_ns, p.judged_ns, p.sent_ns, p.answered_ns, p.trigger_id, p.bypassed,
       p.proof, p.view
FROM parts p WHERE p.id IN (SELECT value FROM json_each(?)) ORDER BY p.id
"""
_PICTURES: Final = """
SELECT i.part_id, i.camera, i.kind, i.file FROM json_each(?) j CROSS JOIN images i ON i.part_id = j.value
WHERE i.kind IN ('frame', 'template') ORDER BY i.id DESC
"""
_DEFECTS: Final = """
SELECT d.part_id, d.class, d.score, d.x1, d.y1, d.x2, d.y2 FROM json_each(?) j CROSS JOIN defects d
ON d.part_id = j.value ORDER BY d.part_id, d.number
"""
_REVIEWS: Final = """
SELECT v.part_id, v.verdict, v.by, v.at, v.note FROM json_each(?) j CROSS JOIN reviews v ON v.part_id = j.value
"""
_PROOFS: Final[dict[int | None, str]] = {None: ""} | {proof.value: proof.name.lower() for proof in Proof}
_PLAIN: Final = re.compile(r"[A-Za-z0-9][\w./:() +-]*(; [A-Za-z0-9][\w./:() +-]*)*", re.ASCII)
"""What `Table` would write as it is: a file's name, a number, a class and its box; most texts by far."""
_NO_REVIEW: Final = ",,,"


class CsvRows:
    """Writes parts of `connection` to `out`, the columns' names first; `recipe`: only those of it."""

    def __init__(self, connection: sqlite3.Connection, out: TextIO, recipe: str | None = None) -> None:
        self._connection = connection
        self._write = out.write
        self._recipe = recipe
        self._runs: dict[int, tuple[str, bool, str]] = {}
        self._products: dict[int, tuple[str, bool]] = {}
        self._second = (0, "", "")
        Table(out).row(FIELDS)

    def write(self, ids: Sequence[int]) -> int:
        """Write the parts of rows `ids` that are there still; how many."""
        # Of one moment: between two questions the recorder may remove a part.
        self._connection.execute("BEGIN")
        try:
            rows = self._ask(_PARTS, ids)
            pictures = {(part, camera, kind): cell(file) for part, camera, kind, file in self._ask(_PICTURES, ids)}
            defects: dict[int, list[str]] = {}
            for part, name, *numbers in self._ask(_DEFECTS, [row[0] for row in rows if row[10]]):
                defects.setdefault(part, []).append(
                    f"{text_cell(name)} " + " ".join(f"{number:g}" for number in numbers)
                )
            reviews = {
                part: f"{cell(verdict)},{cell(by)},{cell(iso(at))},{cell(note)}"
                for part, verdict, by, at, note in self._ask(_REVIEWS, [row[0] for row in rows if not row[8]])
            }
            lines = [self._line(row, pictures, defects, reviews) for row in rows]
        finally:
            self._connection.execute("COMMIT")
        lines = [line for line in lines if line]
        self._write("".join(lines))
        return len(lines)

    def _ask(self, query: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, (json.dumps(ids),)).fetchall()

    def _line(
        self, row: tuple[Any, ...], pictures: dict[tuple[int, str, str], str], defects: dict[int, list[str]],
        reviews: dict[int, str],
    ) -> str:  # fmt: skip
        """The line of a part; "" for one of another recipe."""
        (
            id_, run_id, product_id, part, at, camera, fov, sequence, passed, reason, defect_count, worst_class,
            offset_x, offset_y, latency_ms, delivered, missed, trigger_ns, ready_ns, deadline_ns, picked_ns,
            inferred_ns, judged_ns, sent_ns, answered_ns, trigger_id, bypassed, proof, view,
        ) = row  # fmt: skip
        run, is_plain, line_and_run = self._runs.get(run_id) or self._run(run_id)
        product, wanted = self._products.get(product_id) or self._product(product_id)
        if not wanted:
            return ""
        images = f"{pictures.get((id_, camera, 'frame'), '')},{pictures.get((id_, camera, 'template'), '')}"
        found = defects.get(id_)
        uid = f"{run}-{part}"
        worst = "" if worst_class is None else cell(worst_class)
        return (
            f"{id_},{uid if is_plain else cell(uid)},{self._time(at)},{line_and_run},{part},{cell(camera)},{fov},"
            f"{sequence},{product},{passed},{cell(reason)},{defect_count},{worst},"
            f"{offset_x},{offset_y},{'' if latency_ms is None else repr(latency_ms)},{delivered},{missed},{trigger_ns},"
            f"{ready_ns},{deadline_ns},{picked_ns},{inferred_ns},{judged_ns},{sent_ns},{answered_ns},{images},"
            f"{reviews.get(id_, _NO_REVIEW)},{'' if found is None else _cell('; '.join(found))},{trigger_id},"
            f"{bypassed},{_PROOFS[proof]},{'' if view is None else cell(view)}\r\n"
        )

    def _time(self, at: float) -> str:
        """As `iso`, whose second is the same for many parts."""
        second = int(at)
        millis = round((at - second) * 1e6) // 1000
        if second != self._second[0] or millis >= 1000 or at < 0:
            whole = iso(at)
            begin, offset = whole[:20], whole[23:]
            self._second = (int(datetime.fromisoformat(whole).timestamp()), begin, offset)
            return whole
        return f"{self._second[1]}{millis:03d}{self._second[2]}"

    def _run(self, run_id: int) -> tuple[str, bool, str]:
        run, line = self._connection.execute("SELECT run, line FROM runs WHERE id = ?", (run_id,)).fetchone()
        self._runs[run_id] = run, cell(run) == run, f"{cell(line)},{cell(run)}"
        return self._runs[run_id]

    def _product(self, product_id: int) -> tuple[str, bool]:
        number, recipe, bundle = self._connection.execute(
            "SELECT recipe_id, recipe, bundle FROM products WHERE id = ?", (product_id,)
        ).fetchone()
        self._products[product_id] = f"{number},{cell(recipe)},{cell(bundle)}", self._recipe in (None, recipe)
        return self._products[product_id]


def _cell(text: str) -> str:
    """`text` as a cell of the file: nobody's formula, and quoted where it has to be."""
    if _PLAIN.fullmatch(text):
        return text
    # By the writer that `Table` has. One empty cell alone would be quoted, so there are two.
    out = io.StringIO()
    Table(out).row((text, ""))
    return out.getvalue()[:-3]


cell = lru_cache(maxsize=4096)(_cell)
