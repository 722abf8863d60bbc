"""What thousands of latencies come to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

PERCENTILES: Final = ((50.0, "p50"), (99.0, "p99"), (99.9, "p99.9"), (99.99, "p99.99"))


def summary(took_ns: Sequence[int]) -> dict[str, float | int | None]:
    """Percentiles in ms; None where there are too few runs for at least one to lie beyond."""
    ms = np.asarray(took_ns, np.float64) / 1e6
    found: dict[str, float | int | None] = {"runs": len(ms)}
    for share, name in PERCENTILES:
        enough = round(len(ms) * (100 - share), 6) >= 100
        found[name] = round(float(np.percentile(ms, share)), 4) if enough else None
    found["max"] = round(float(ms.max()), 4)
    found["mean"] = round(float(ms.mean()), 4)
    return found
