"""The report as one page that needs no other file: figures, curves, pictures of what went wrong.

Process: offline. The page is templates/report.html; here is what it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from markupsafe import Markup

from aoi_daemon.engine.qualify import metrics
from aoi_daemon.engine.qualify.conclusion import LEAST_BAD, LEAST_GOOD
from aoi_daemon.engine.qualify.gate import MAX_MAP_LOSS
from aoi_daemon.engine.qualify.task_figures import MOST_SHARE
from aoi_daemon.engine.report.pictures import MOST, figure, wrong_boards
from aoi_daemon.engine.report.report import Report, versions
from aoi_daemon.engine.report.svg import COLOURS, precision_recall, score_histogram
from aoi_daemon.markup.templates import render

_PACKAGE: Final = "aoi_daemon.engine.report"


def page(report: Report) -> Markup:
    """The complete page."""
    boards = wrong_boards(report)
    first = next(iter(report.measured.values()))
    return render(
        _PACKAGE, "report.html", report=report, title=_title(report), colours=COLOURS,
        reasons=list(_reasons(report)), method=_method(report),
        labels=sum(len(board.pair.boxes) for board in report.boards),
        sizes=sorted({f"{board.pair.width_px} x {board.pair.height_px} px" for board in report.boards}),
        threads=next(iter(report.runs.values())).threads, label_counts=first.matches.label_counts,
        curves=list(_curves(report)), scores=list(_scores(report)),
        figures=[figure(report, index, reasons) for index, reasons in boards[:MOST]],
        templates=any(board.frame.template is not None for board in report.boards),
        not_shown=[report.boards[index].pair.name for index, _ in boards[MOST:]],
    )  # fmt: skip


def _title(report: Report) -> str:
    # `bundle make` measures; only `qualify` concludes something of a product.
    return f"{'Measurements' if report.bounds is None else 'Qualification'} of {report.bundle}"


def _reasons(report: Report) -> Iterator[tuple[str, str]]:
    """What is said of each precision below the table."""
    if report.bounds is None:
        for precision, measured in report.measured.items():
            reason = report.refused.get(precision)
            seen = f"escapes: {measured.agreement.escapes}; false calls: {measured.agreement.false_calls}"
            yield precision, seen if reason is None else f"left out: {reason}; {seen}"
    else:
        yield from ((precision, str(found)) for precision, found in report.conclusions.items())
    if report.task != "top100":
        yield from ((precision, str(measured.of_task)) for precision, measured in report.measured.items())
    for precision in report.runs:
        if before := report.not_looked_at(precision):
            yield precision, f"rejected before the model saw them: {_counts(before)}"
    yield from ((precision, f"not judged: {reason}") for precision, reason in report.skipped.items())


def _curves(report: Report) -> Iterator[tuple[str, Markup]]:
    for kind, name in enumerate(report.classes):
        curves = {precision: metrics.curve(m.matches, kind) for precision, m in report.measured.items()}
        yield name, precision_recall(curves, name)


def _scores(report: Report) -> Iterator[tuple[str, Markup]]:
    for precision, measured in report.measured.items():
        scores, right = measured.matches.scores, measured.matches.right
        yield precision, score_histogram(scores[right], scores[~right], precision)


def _method(report: Report) -> dict[str, str]:
    first = next(iter(report.runs.values()))
    return {
        "gate": f"a precision is kept when {_gate(report)} and gets every golden part right; this says nothing about a "
        "product",
        **_outcome_rows(report),
        "mAP 0.33": "DeepPCB's protocol: same class, IoU above 0.33, area under the precision-recall curve as it is; "
        "mean over classes",
        "mAP 0.5, 0.5:0.95": "COCO's: 101 recall points of the smoothed curve",
        "F-score": "2PR / (P + R) over all classes, IoU above 0.33, at the thresholds above",
        "escapes, false calls": "bad boards that passed, good boards that were rejected, and how many of all such "
        "boards that may be at most: the upper 95 % limit (Clopper and Pearson, one-sided)",
        "flips": "boards whose verdict is not fp32's",
        "ms": f"one frame through the model, and optics and registration where the recipe has them; median over "
        f"{len(first.took_ns)} boards that the model saw, on the CPU; {_executors(report)}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "boards' hash": report.set_sha256,
        **report.notes,
    }


def _gate(report: Report) -> str:
    """What a precision is held to against fp32, by the task."""
    boxes = f"it loses at most {MAX_MAP_LOSS * 100:.0f} point of mAP at IoU 0.5 against fp32"
    if report.task == "top100":
        return boxes
    share = f"at most {MOST_SHARE:.0%} (one is always allowed) of"
    kept = {
        "yolo": boxes,
        "classify": f"{share} the bad parts get another class",
        "segment": f"{share} the labelled defects that fp32 meets are not met",
    }
    words = kept.get(report.task, kept["segment"])
    return f"{words}, no bad part passes that fp32 rejects, {share} the parts get another verdict than fp32's,"


def _executors(report: Report) -> str:
    """Each back end that took part, once, without the model's file."""
    return "; ".join(dict.fromkeys(run.executor.rsplit(", ", 1)[0] for run in report.runs.values()))


def _outcome_rows(report: Report) -> dict[str, str]:
    if report.bounds is None:
        return {
            "kept": "the gate holds. Whether the bundle is good enough for a product, `aoi-daemon qualify` says by "
            "boards of that product"
        }
    return {
        "qualified": f"at most {report.bounds.max_escapes * 100:g} % of the bad boards passed and at most "
        f"{report.bounds.max_false_calls * 100:g} % of the good ones were rejected, of at least {LEAST_BAD} bad and "
        f"{LEAST_GOOD} good boards. That is what these boards showed; what other boards may do, the upper limits say",
        "refused": "the lower 95 % limit of one of the two rates is above what is allowed, or the gate does not hold",
        "not shown": "neither: too few boards, or a rate that is above what is allowed and may be chance",
    }


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
