"""A records database as the recorder writes it, by its own functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from aoi_daemon.messages import Defect, Outcome, Reason, pack_defects
from aoi_daemon.records.database import open_writer, writing
from aoi_daemon.records.parts import Product, insert_event, insert_part, product_id, run_id

RUN = "0123456789abcdef" * 2
PRODUCT = Product(7, "board-a", "a1b2c3d4e5f60718", ("open", "short"), 48.0)


def outcome(part: int, *, passed: bool = True, reason: Reason = Reason.DEFECT, defects: int = 2) -> Outcome:
    found = () if passed else tuple(Defect(1, 0.9 - n / 100, 10.0 + n, 20.0, 30.0, 40.5) for n in range(defects))
    ns = 1_000_000
    return Outcome(
        part=part, passed=passed, reason=Reason.NONE if passed else reason, camera=0, worst_class=1 if found else -1,
        defect_count=len(found), recipe=7, fov=0, sequence=part, bundle=0, offset_x=12, offset_y=-3, trigger_ns=1 * ns,
        ready_ns=2 * ns, deadline_ns=50 * ns, picked_ns=3 * ns, inferred_ns=8 * ns, judged_ns=9 * ns, sent_ns=10 * ns,
        answered_ns=11 * ns, defects=pack_defects(found),
    )  # fmt: skip


def one_in_three_fails(part: int) -> bool:
    return part % 3 != 0


def record(
    folder: Path, parts: Iterable[int], *, run: str = RUN, at: float | None = None,
    passed: Callable[[int], bool] = one_in_three_fails,
) -> None:  # fmt: skip
    """Write parts with these numbers, all at once, as of now or of `at`."""
    _write(folder, [outcome(part, passed=passed(part)) for part in parts], run, time.time() if at is None else at)


def record_outcome(folder: Path, one: Outcome) -> None:
    """Write one part."""
    _write(folder, [one], RUN, time.time())


def _write(folder: Path, outcomes: Iterable[Outcome], run: str, at: float) -> None:
    with closing(open_writer(folder, create=True)) as connection, writing(connection):
        row = run_id(connection, run, "line-1", at)
        product = product_id(connection, PRODUCT)
        for one in outcomes:
            insert_part(connection, one, run=row, at=at, camera="top", product=PRODUCT, product_row=product)


def record_alarm(folder: Path, number: int, *, kind: str = "alarm", run: str = RUN, **body: str) -> None:
    """Write one event."""
    whole = {
        "name": "CAMERA_LOST", "state": "unacknowledged", "was": "normal", "event": "the condition came",
        "priority": "HIGH", "detail": "top", "by": "", **body,
    }  # fmt: skip
    with closing(open_writer(folder, create=True)) as connection, writing(connection):
        row = run_id(connection, run, "line-1", time.time())
        insert_event(connection, row, number, at=time.time(), kind=kind, body=whole)


def remove(folder: Path, first: int, last: int) -> None:
    """What retention does: rows `first` to `last` are gone."""
    with closing(open_writer(folder)) as connection, writing(connection):
        connection.execute("DELETE FROM parts WHERE id BETWEEN ? AND ?", (first, last))
