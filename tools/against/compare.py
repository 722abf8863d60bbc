"""What the turns came to: figures of each side, and what the issue of speed asks of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tools.backends.report import number
from tools.backends.stats import figures

OUTSIDE_AT_MOST: Final = 1 / 3
BEST_AT_LEAST: Final = 2.0
_STILL_FINDS: Final = 0.5
"""Of the boxes that the best of ours finds."""
HEAD: Final = (
    "side", "p50", "p99", "p99.9", "max", "outside the model p50", "boxes", "of predict p50", "p99", "p99.9", "n",
)  # fmt: skip
_TAILS: Final = ("p50", "p99", "p99.9")


def side(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of one side's answers: `total_ms`, `outside_ms` (stats.figures; None: the model's run was not seen), `boxes`."""
    seen = [answer["ns"] - answer["model_ns"] for answer in answers if answer["model_ns"] is not None]
    return {
        "total_ms": figures([answer["ns"] for answer in answers]),
        "outside_ms": figures(seen) if len(seen) == len(answers) else None,
        "boxes": round(sum(answer["boxes"] for answer in answers) / len(answers), 2),
    }


def judged(sides: Mapping[str, Mapping[str, Any]], base: str, same: str) -> list[dict[str, Any]]:
    """Each demand as `asks`, `found` and `holds`; those whose side was not measured are left out.

    Args:
        sides: by name, as `side` makes them.
        base: their predict with ONNX Runtime.
        same: ours, on the same back end.
    """
    if base not in sides:
        return []
    theirs, demands = sides[base], []
    if same in sides:
        ours = sides[same]
        for name, most, strictly in (("p50", 1.0, False), ("p99", 1.0, True), ("p99.9", 1.0, True)):
            ratio = _ratio(ours["total_ms"][name], theirs["total_ms"][name])
            words = "faster" if strictly else "not slower"
            demands.append(_demand(f"{same} {words} than {base} at {name}", ratio, most, strictly=strictly))
        if ours["outside_ms"] and theirs["outside_ms"]:
            ratio = _ratio(ours["outside_ms"]["p50"], theirs["outside_ms"]["p50"])
            demands.append(_demand(f"{same}: time outside the model at most a third", ratio, OUTSIDE_AT_MOST))
    ours_all = {name: of for name, of in sides.items() if name.startswith("ours")}
    most_boxes = max((of["boxes"] for of in ours_all.values()), default=0.0)
    # What no longer finds what the others find is quick for nothing (int8 of weights that nobody trained).
    mine = {name: of["total_ms"]["p50"] for name, of in ours_all.items() if of["boxes"] >= _STILL_FINDS * most_boxes}
    if mine:
        best = min(mine, key=lambda name: mine[name])
        ratio = _ratio(mine[best], theirs["total_ms"]["p50"])
        demands.append(_demand(f"{best}, our best, at least twice as fast as {base} at p50", ratio, 1 / BEST_AT_LEAST))
    return demands


def rows(report: Mapping[str, Any]) -> list[list[str]]:
    """A row of text for each side, as HEAD says; ratios are of ONNX Runtime's predict."""
    sides, base = report["sides"], report["base"]
    found = []
    for name, of in sides.items():
        total, outside = of["total_ms"], of["outside_ms"]
        against = sides.get(base, {}).get("total_ms", {})
        ratios = [_ratio(total[tail], against.get(tail)) for tail in _TAILS]
        found.append(
            [
                name, *(number(total[key]) for key in (*_TAILS, "max")), number(outside["p50"] if outside else None),
                f"{of['boxes']:.1f}", *("-" if ratio is None else f"{ratio:.3f}" for ratio in ratios), str(total["n"]),
            ]
        )  # fmt: skip
    return found


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else round(ours / theirs, 4)


def _demand(asks: str, ratio: float | None, most: float, *, strictly: bool = False) -> dict[str, Any]:
    holds = None if ratio is None else (ratio < most if strictly else ratio <= most)
    return {"asks": asks, "ratio": ratio, "at_most": round(most, 4), "holds": holds}
