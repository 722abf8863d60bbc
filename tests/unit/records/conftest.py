"""A records folder with its writer, and parts to put into it."""

from __future__ import annotations

import pytest

from aoi_daemon.messages import Defect, Outcome, Reason, pack_defects
from aoi_daemon.records import parts
from aoi_daemon.records.database import open_reader, open_writer, writing

MS = 1_000_000
NOON = 1_795_348_800.0  # 2026-11-22T12:00Z
RUN = "f" * 32
PRODUCT = parts.Product(1, "demo", "ab" * 8, ("open", "short"), 50.0)
BAD = (Defect(1, 0.9, 1.0, 2.0, 30.0, 40.0), Defect(0, 0.5, 5.0, 6.0, 7.0, 8.0))


def make_outcome(part: int, reason: Reason = Reason.NONE, defects: tuple[Defect, ...] = BAD, **fields) -> Outcome:
    """A part that took 10 ms; one that is rejected for a defect has two of them."""
    found = defects if reason is Reason.DEFECT else ()
    start = part * 50 * MS
    return Outcome(
        part=part, passed=reason is Reason.NONE, reason=reason, camera=0, worst_class=found[0].label if found else -1,
        defect_count=len(found), recipe=1, fov=0, sequence=part, bundle=0xABABABABABABABAB, offset_x=0, offset_y=0,
        trigger_ns=start, ready_ns=start + MS, deadline_ns=start + 50 * MS, picked_ns=start + 2 * MS,
        inferred_ns=start + 8 * MS, judged_ns=start + 9 * MS, sent_ns=start + 10 * MS, answered_ns=start + 11 * MS,
        defects=pack_defects(found),
    )._replace(**fields)  # fmt: skip


class Records:
    """A writer and a reader on one folder; `add` records a part."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.writer = open_writer(folder, create=True)
        self.reader = open_reader(folder)
        with writing(self.writer):
            self.run = parts.run_id(self.writer, RUN, "line-1", NOON)
            self.product = parts.product_id(self.writer, PRODUCT)

    def add(self, part: int, reason: Reason = Reason.NONE, at: float | None = None, **fields) -> int:
        """The row's id."""
        with writing(self.writer):
            return parts.insert_part(
                self.writer, make_outcome(part, reason, **fields), run=self.run, at=NOON + part if at is None else at,
                camera="top", product=PRODUCT, product_row=self.product,
            )  # fmt: skip

    def add_image(self, row, kind="frame", why="reject", at=NOON, camera="top", file="images/a.png", **links):
        image = parts.Image(at, camera, kind, why, "", file, 10, 64, 48)
        with writing(self.writer):
            parts.insert_image(self.writer, image, part=row, **links)

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def records(tmp_path):
    found = Records(tmp_path / "records")
    yield found
    found.close()
