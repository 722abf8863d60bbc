"""What one of the recognisers says of a graph."""

from __future__ import annotations

from dataclasses import dataclass

from aoi_daemon.engine.exports.described import Family, Kind
from aoi_daemon.engine.precision.wrap import Activation, Pixels


@dataclass(frozen=True)
class Found:
    """A family, and what follows from it.

    Attributes:
        family, kind, activation, notes: as in `Described`.
        program: who exported it; "": as the file's producer says.
        classes: as the file names them.
        count: how many classes its outputs have; None: they do not show it.
        pixels: by the family's convention; None: it has none, or the file shows it.
        stride_px: as the file says; None: by the graph.
    """

    family: Family
    kind: Kind
    program: str = ""
    classes: tuple[str, ...] = ()
    count: int | None = None
    pixels: Pixels | None = None
    stride_px: int | None = None
    activation: Activation = "none"
    notes: tuple[str, ...] = ()
