"""The gate: which precision may not ship, whatever boards of a product show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoi_daemon.engine.qualify.qualify import Measured

MAX_MAP_LOSS: Final = 0.01
"""The gate: so much of mAP at IoU 0.5 (COCO's rule) may a precision lose against FP32."""
BOX_TASKS: Final = ("top100", "yolo")
"""Tasks whose boxes are what a person would draw."""


def refusal(measured: Measured, reference: Measured, golden_wrong: Sequence[str]) -> str | None:
    """Why a precision may not ship, with its figures; None: it may."""
    reasons = measured.of_task.problems
    loss = reference.map50 - measured.map50
    # Half a unit of the last digit shown: 1.00 points are allowed, and print so.
    if measured.of_task.task in BOX_TASKS and loss > MAX_MAP_LOSS + 1e-9:
        reasons.append(
            f"mAP at IoU 0.5 is {measured.map50:.2%}, {loss * 100:.2f} points below fp32's {reference.map50:.2%} "
            f"(allowed: {MAX_MAP_LOSS * 100:.2f})"
        )
    if golden_wrong:
        reasons.append(f"golden verdicts that do not hold: {len(golden_wrong)} ({', '.join(sorted(golden_wrong)[:5])})")
    return "; ".join(reasons) or None
