"""Of which parts a picture is kept. Pure."""

from __future__ import annotations

import zlib
from typing import Final

from aoi_daemon.messages import Outcome, Reason
from aoi_daemon.records.parts import Why

_WITHOUT_FRAME: Final = frozenset({Reason.NO_IMAGE, Reason.INCOMPLETE})


def why_keep(outcome: Outcome, run: str, sampled_percent: float) -> Why | None:
    """Why this part's picture is kept; None: it is not. A fault is a reject for anything but a defect."""
    if not outcome.passed:
        return "reject" if outcome.reason == Reason.DEFECT else "fault"
    # By the part's name and not every nth: carriers, lanes and replayed sets come round in a fixed number too.
    chance = zlib.crc32(f"{run}-{outcome.part}".encode()) / 2**32
    return "sample" if chance * 100 < sampled_percent else None


def has_frame(outcome: Outcome) -> bool:
    """Whether there was ever a frame of this part."""
    return Reason(outcome.reason) not in _WITHOUT_FRAME
