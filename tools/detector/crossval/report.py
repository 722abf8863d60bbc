"""What the runs say: mean and spread of each variant, and its difference to the first, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

FIGURES: Final = {"map33": "mAP@0.33", "f": "F", "f_best": "F, own threshold", "map50": "mAP@0.5", "map75": "mAP@0.75"}


def lines_of(results: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    """The report as lines of text; `names` in their order, the first is what the others are compared with."""
    by_name = {name: {r["seed"]: r for r in results if r["variant"] == name} for name in names}
    lines = ["per cent; spread is the standard deviation over the seeds (n - 1)"]
    for name, runs in by_name.items():
        if not runs:
            lines.append(f"{name}: no run ended")
            continue
        lines.append(
            f"{name}: {len(runs)} runs, {np.mean([r['trained_s'] for r in runs.values()]):.0f} s of training each"
        )
        for key, words in FIGURES.items():
            values = 100 * np.array([runs[seed][key] for seed in sorted(runs)])
            lines.append(f"  {words:<17}{_mean(values)}  of {' '.join(f'{value:.2f}' for value in values)}")
    first = by_name[names[0]]
    for name in names[1:]:
        both = sorted(set(first) & set(by_name[name]))
        if not both:
            continue
        lines.append(f"{name} less {names[0]}, by seed ({len(both)} pairs)")
        for key, words in FIGURES.items():
            change = 100 * np.array([by_name[name][seed][key] - first[seed][key] for seed in both])
            lines.append(f"  {words:<17}{_mean(change, '+')}  of {' '.join(f'{value:+.2f}' for value in change)}")
    return lines


def line_of(result: dict[str, Any]) -> str:
    """One run in one line."""
    return (
        f"{result['variant']} seed {result['seed']} on {result['fold']}: mAP@0.33 {100 * result['map33']:.2f}, "
        f"F {100 * result['f']:.2f} at {result['threshold']:.2f} (own {100 * result['f_best']:.2f}), "
        f"mAP@0.75 {100 * result['map75']:.2f}; {result['trained_s']:.0f} s"
    )


def _mean(values: Any, sign: str = "") -> str:
    spread = f"{np.std(values, ddof=1):.2f}" if len(values) > 1 else "-"
    return f"{np.mean(values):{sign}.2f} ± {spread}"
