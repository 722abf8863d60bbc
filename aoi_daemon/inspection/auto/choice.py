"""Which executor judges parts, by what was measured. Pure.

By the 95th percentile, not the mean: a part has its takt, and what comes too late is rejected however quick the others
were. What is less exact must be worth it: within `TIE` of the quickest the more exact precision is taken, then ONNX
Runtime, by which bundles are qualified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import ConfigDict, Field, Strict

from aoi_daemon.config.section import Section

TIE: Final = 0.05
"""So much slower than the quickest is as quick: between two measurements of one executor lies more."""
_EXACTNESS: Final = {"fp32": 0, "bf16": 1, "fp16": 1, "int8": 2}
_LONGEST: Final = 400

Words = Annotated[str, Field(max_length=_LONGEST)]


class Candidate(Section):
    """A back end with a precision, on one of its devices."""

    backend: str = Field(max_length=20)
    precision: str = Field(max_length=20)
    device: str = Field("cpu", max_length=20, description="OpenVINO's; of the others always `cpu` or `gpu`.")

    @property
    def name(self) -> str:
        """Which it is called by in logs, `status` and records."""
        where = f" {self.device}" if self.backend == "openvino" and self.device != "cpu" else ""
        return f"{self.backend}{where} {self.precision}"


class Row(Section):
    """A line of the table: a candidate that was measured, or what is none.

    `candidate` is None where a back end, a device or a precision is left out altogether; `name` says which.
    """

    model_config = ConfigDict(extra="ignore")

    name: str = Field(max_length=60)
    candidate: Candidate | None = None
    p95_ms: float | None = Field(None, gt=0, description="Of one frame; None: not measured.")
    why: Words = Field("", description="Why it is not to be chosen; empty: golden parts hold.")
    missed: bool = Field(False, description="There was no time for it: another start may find it the fastest.")

    @property
    def holds(self) -> bool:
        """Whether it may be chosen."""
        return self.candidate is not None and self.p95_ms is not None and not self.why

    def text(self) -> str:
        """In words."""
        figure = "" if self.p95_ms is None else f" {self.p95_ms:.1f} ms"
        return f"{self.name}{figure}{': ' if self.why else ''}{self.why}"


class Table(Section):
    """All rows of one measurement, and under what it was taken."""

    model_config = ConfigDict(extra="ignore")

    rows: Annotated[tuple[Row, ...], Strict(False)] = Field(max_length=64)
    beside: bool = Field(False, description="Taken beside a running line: the figures are those of a loaded machine.")
    run: str = Field("", max_length=64, description="The start of the daemon that alone may use it; empty: each may.")


def choose(rows: Sequence[Row], left_out: Mapping[str, str] | None = None) -> Row | None:
    """The row that is to judge; None: none holds.

    Args:
        rows: as they were measured, in any order.
        left_out: by name, what failed since, and why.
    """
    holding = [row for row in rows if row.holds and row.name not in (left_out or {})]
    if not holding:
        return None
    most = min(row.p95_ms or 0.0 for row in holding) * (1 + TIE)
    return min((row for row in holding if (row.p95_ms or 0.0) <= most), key=_preference)


def _preference(row: Row) -> tuple[int, bool, float, str]:
    candidate = row.candidate
    assert candidate is not None
    return _EXACTNESS.get(candidate.precision, 9), candidate.backend != "onnx", row.p95_ms or 0.0, row.name


def reason(table: Table, chosen: Row | None) -> str:
    """Why the one that `choose` has chosen; None: that it is the reference, for none holds."""
    beside = ", measured beside a running line" if table.beside else ""
    if chosen is None:
        return f"the reference: no other holds the golden parts{beside}"
    return f"p95 {chosen.p95_ms:.1f} ms, golden parts hold{beside}"


def others(table: Table, name: str, left_out: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """All rows but that of `name`, in words, with what has failed since they were measured."""
    return tuple(since(row, left_out or {}) for row in table.rows if row.name != name)


def since(row: Row, left_out: Mapping[str, str]) -> str:
    """A row in words, with what has failed since it was measured."""
    return f"{row.name}: {left_out[row.name]}" if row.name in left_out else row.text()


def shortened(words: object) -> str:
    """What a vendor or a file said, in one line that a row takes."""
    text = " ".join(str(words).split()) or type(words).__name__
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
