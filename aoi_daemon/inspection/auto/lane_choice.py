"""How many lanes judge the views, by what was measured. Pure.

By the 95th percentile of what all views of a part take together, as `choice` takes it. Within `TIE` of the quickest
the fewest lanes are taken: each is a process with an engine of its own, in memory and to be kept alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import ConfigDict, Field, Strict

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.section import Section
from aoi_daemon.inspection.auto.choice import TIE, Words

NO_CPU: Final = "a GPU or NPU has one lane"


class LaneRow(Section):
    """A number of lanes that was measured, or why it was not."""

    model_config = ConfigDict(extra="ignore")

    lanes: int = Field(ge=1, le=64)
    p95_ms: float | None = Field(None, gt=0, description="Of all views of a part; None: not measured.")
    why: Words = Field("", description="Why it is not to be chosen; empty: it ran.")
    missed: bool = Field(False, description="There was no time for it.")

    @property
    def holds(self) -> bool:
        """Whether it may be chosen."""
        return self.p95_ms is not None and not self.why

    def text(self) -> str:
        """In words."""
        figure = "" if self.p95_ms is None else f" p95 {self.p95_ms:.1f} ms"
        return f"{lanes_text(self.lanes)}{figure}{': ' if self.why else ''}{self.why}"


class LaneTable(Section):
    """All rows of one measurement, and under what it was taken; see `choice.Table`."""

    model_config = ConfigDict(extra="ignore")

    rows: Annotated[tuple[LaneRow, ...], Strict(False)] = Field(max_length=16)
    beside: bool = False
    run: str = Field("", max_length=64)


def counts(cameras: int, threads: int, cores: int) -> tuple[int, ...]:
    """The numbers of lanes that are measured: one, then 2, 4 and so on, and as many as make sense.

    A lane has a camera at least, and with fewer threads or cores than lanes they would wait for each other.
    """
    most = max(1, min(cameras, threads, cores))
    doubled = [2**power for power in range(most.bit_length()) if 2**power < most]
    return (*doubled, most)


def only(cameras: int) -> str:
    """Why one number alone makes sense where there are so many cameras."""
    return "one camera" if cameras == 1 else "one thread or core for all of them"


def divided(section: InspectionSection, lanes: int) -> InspectionSection:
    """`section` of one of `lanes` that were chosen at the start: they share its threads."""
    return section.model_copy(update={"threads": max(1, section.threads // lanes)})


def on_cpu(section: InspectionSection) -> bool:
    """Whether the executor of that name runs on the processor. A number is TensorRT's GPU."""
    return section.backend == "onnx" or (section.backend == "openvino" and section.device in (None, "cpu"))


def choose(rows: Sequence[LaneRow]) -> LaneRow | None:
    """The row that is to judge, of rows in any order; None: none ran."""
    holding = [(row.p95_ms, row) for row in rows if row.p95_ms is not None and row.holds]
    if not holding:
        return None
    most = min(p95_ms for p95_ms, _ in holding) * (1 + TIE)
    return min((row for p95_ms, row in holding if p95_ms <= most), key=lambda row: row.lanes)


def told(table: LaneTable) -> str:
    """Which it is, and why, for logs, `status`, page and records."""
    beside = ", measured beside a running line" if table.beside else ""
    chosen = choose(table.rows)
    if chosen is None:
        return f"1 lane: none could be measured ({_rest(table, 0)}){beside}"
    rest = _rest(table, chosen.lanes)
    return f"{chosen.text()}{beside}{f'; {rest}' if rest else ''}"


def _rest(table: LaneTable, lanes: int) -> str:
    return "; ".join(row.text() for row in table.rows if row.lanes != lanes)


def lanes_text(lanes: int) -> str:
    """In words."""
    return "1 lane" if lanes == 1 else f"{lanes} lanes"
