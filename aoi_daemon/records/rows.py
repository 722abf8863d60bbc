"""What the queries give back: frozen records, one a row. Times `at` are UTC in Unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Defect:
    """One detection that rejected the part.

    Corners in px: of the template where the recipe aligns frames, else of the frame.
    """

    name: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Review:
    """What a person said of a rejected part: `verdict` is `defect` or `false_call`."""

    at: float
    by: str
    verdict: str
    note: str


@dataclass(frozen=True)
class Part:
    """One part. `*_ns` are CLOCK_MONOTONIC of its run; 0: did not happen. Offsets in 0.01 mm.

    Attributes:
        id: of the row; grows in the order in which parts were recorded.
        uid: `RUN-PART`, unique for ever.
        classes: of the bundle that it was judged with, in the model's order.
        latency_ms: frame in the ring to the PLC's verified answer; None: not delivered.
        missed: the PLC had no verdict by the deadline.
        trigger_id: the PLC's number of the part's trigger; 0: not known, or recorded before it was kept.
        bypassed: the PLC said that it let parts go whatever their verdict.
        proof: of the product: `not_proven`, `proven`, `accepted` or `upgraded`; None: recorded before it was kept.
        view: name of the one that decided; None: the recipe names no views, or recorded before it was kept.
        image, template: files relative to the records folder; None: not kept.
        defects: worst first, at most 16; `defect_count` counts all.
    """

    id: int
    uid: str
    run: str
    line: str
    part: int
    at: float
    camera: str
    fov: int
    sequence: int
    recipe_id: int
    recipe: str
    bundle: str
    classes: tuple[str, ...]
    px_per_mm: float
    passed: bool
    reason: str
    defect_count: int
    worst_class: str | None
    offset_x: int
    offset_y: int
    trigger_ns: int
    ready_ns: int
    deadline_ns: int
    picked_ns: int
    inferred_ns: int
    judged_ns: int
    sent_ns: int
    answered_ns: int
    latency_ms: float | None
    delivered: bool
    missed: bool
    trigger_id: int
    bypassed: bool
    proof: str | None
    view: str | None
    image: str | None
    template: str | None
    review: Review | None
    defects: tuple[Defect, ...]

    @property
    def shift_px(self) -> tuple[float, float]:
        """Add this to a defect's corners to have them on the frame `image`, which is kept as it came.

        (0, 0) where the recipe does not align. The board's turn is not recorded: corners may be off by
        the turn (radians) times their distance from the middle.
        """
        return self.offset_x / 100 * self.px_per_mm, self.offset_y / 100 * self.px_per_mm


@dataclass(frozen=True)
class Image:
    """One picture. `kind` frame, template or context; `why` reject, fault, sample or around.

    `cause` says what an `around` picture is around of: a reason, or an alarm.
    """

    id: int
    part_id: int | None
    around_id: int | None
    at: float
    camera: str
    kind: str
    why: str
    cause: str
    file: str
    size_bytes: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Event:
    """One event of the line; see ring/events.py for kinds and bodies."""

    id: int
    run: str
    number: int
    at: float
    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Counts:
    """Parts of a time. `unreviewed` are rejects that no person has looked at; `lost` parts have no row."""

    parts: int
    passed: int
    rejected: int
    missed: int
    undelivered: int
    false_calls: int
    confirmed: int
    unreviewed: int
    lost: int

    @property
    def reject_percent(self) -> float:
        """Share of rejects; 0 for no parts."""
        return 100.0 * self.rejected / self.parts if self.parts else 0.0


@dataclass(frozen=True)
class Cause:
    """One bar of a Pareto chart: rejects whose worst defect was of class `name`, false calls apart.

    `is_class` False: not a defect's class but a reason (LATE, NO_IMAGE ...).
    """

    name: str
    is_class: bool
    rejects: int
    false_calls: int


@dataclass(frozen=True)
class Hour:
    """Parts of one hour; `at` is its begin, on the hour in UTC."""

    at: float
    parts: int
    rejected: int


@dataclass(frozen=True)
class Latency:
    """Of delivered parts, ms, to 0.01 ms (`max` exactly, until parts of its time are removed); zeros for no parts."""

    parts: int
    p50: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True)
class Shift:
    """A shift's account: the counts, what was rejected for what, how quick it was, and which alarms came."""

    since: float
    until: float
    counts: Counts
    causes: tuple[Cause, ...]
    latency: Latency
    alarms: Mapping[str, int]
    recipes: Mapping[str, int]


@dataclass(frozen=True)
class Gap:
    """Of parts first to last of a run, `parts` have no row (`rows`), or not their picture (`images`)."""

    run: str
    what: str
    first_part: int
    last_part: int
    parts: int
    at: float
    why: str
