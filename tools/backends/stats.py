"""What the latencies of a case come to: only those percentiles that their number allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

PERCENTILES: Final = {
    "p50": (50.0, 1), "p90": (90.0, 10), "p99": (99.0, 100), "p99.9": (99.9, 1_000), "p99.99": (99.99, 10_000),
}  # fmt: skip
"""By name: the share, and how many runs are needed for one to lie beyond it."""


def figures(took_ns: Sequence[int]) -> dict[str, Any]:
    """`n`, the percentiles and `max` in ms; None where there are fewer runs than a percentile needs.

    A percentile is one of the values, the next one above: none is made up between two.

    Raises:
        ValueError: there is no value.
    """
    if not len(took_ns):
        raise ValueError("nothing was measured")
    ms = np.sort(np.asarray(took_ns, np.float64)) / 1e6
    found: dict[str, Any] = {"n": len(ms)}
    for name, (percent, least) in PERCENTILES.items():
        enough = len(ms) >= least
        found[name] = round(float(np.percentile(ms, percent, method="higher")), 4) if enough else None
    return found | {"max": round(float(ms[-1]), 4), "mean": round(float(ms.mean()), 4)}


def over(floor: Mapping[str, Any], executor: Mapping[str, Any]) -> dict[str, float]:
    """What the executor's median is over the floor's: `over_ms`, and as `ratio`."""
    ours, bare = executor["p50"], floor["p50"]
    return {"over_ms": round(ours - bare, 4), "ratio": round(ours / bare, 4)}
