"""The report as one page that needs nothing beside it: figures, curves, pictures of what went wrong.

Process: offline. Light gray and quiet as an ISA-101 screen: colour is for what is not as it should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from aoi_daemon.engine.qualify import metrics
from aoi_daemon.engine.qualify.conclusion import LEAST_BAD, LEAST_GOOD
from aoi_daemon.engine.qualify.qualify import MAX_MAP_LOSS
from aoi_daemon.engine.qualify.rates import Rate
from aoi_daemon.engine.report.pictures import MOST, figure, wrong_boards
from aoi_daemon.engine.report.registration import registration_table
from aoi_daemon.engine.report.report import Report, versions
from aoi_daemon.engine.report.svg import COLOURS, precision_recall, score_histogram

_STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0; background: #d6d8da; color: #22272b; font: 14px/1.45 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1220px; margin: 0 auto; padding: 20px 24px 48px; }
h1 { font-size: 21px; font-weight: 600; margin: 0 0 2px; }
h2 { font-size: 15px; font-weight: 600; margin: 0 0 10px; }
section { background: #e9eaeb; border: 1px solid #bfc3c6; border-radius: 3px; padding: 14px 16px; margin-top: 14px; }
p { margin: 4px 0; max-width: 100ch; } .muted { color: #5c6266; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: 4px 7px; border-bottom: 1px solid #cfd2d4; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; color: #4a5054; white-space: normal; vertical-align: bottom; }
td small { color: #5c6266; display: block; font-size: 11.5px; }
.scroll { overflow-x: auto; }
.alarm { background: #b3262e; color: #fff; padding: 1px 7px; border-radius: 2px; font-weight: 600; }
.bad { color: #b3262e; font-weight: 600; }
.charts, .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 12px; }
.figures { grid-template-columns: repeat(auto-fill, minmax(520px, 1fr)); }
.chart { background: #f3f4f4; border: 1px solid #cfd2d4; padding: 8px; } .chart svg { width: 100%; height: auto; }
.chart svg text { font-size: 8.5px; }
.chart h3 { font-size: 13px; margin: 0 0 2px; font-weight: 600; } .chart small { color: #5c6266; }
svg text { font: 10px system-ui, sans-serif; } svg text:not(.tag) { fill: #4a5054; }
svg text.tag { font: 600 8px system-ui, sans-serif; paint-order: stroke; stroke: #fff; stroke-width: 2px; }
figure { margin: 0; background: #f3f4f4; border: 1px solid #cfd2d4; padding: 8px; }
.views { display: flex; gap: 6px; } .view { background: #fff; image-rendering: pixelated; width: 50%; height: auto; }
figcaption { font-size: 12.5px; margin-top: 6px; }
.badge { display: inline-block; padding: 0 6px; border-radius: 2px; margin-left: 4px; color: #fff; font-size: 11.5px;
  background: #5c6266; }
.badge.escape { background: #b3262e; } .badge.false { background: #9a5b00; }
.key i { display: inline-block; width: 22px; border-top: 3px solid; vertical-align: middle; margin: 0 5px 0 12px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0; }
dt { color: #4a5054; } dd { margin: 0; }
"""


def page(report: Report) -> str:
    """The whole page."""
    parts = [_head(report), _summary(report), _classes(report), _curves(report), _scores(report)]
    parts += [registration_table(report.registration), _pictures(report)]
    title = f"Qualification of {escape(report.bundle)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
        f"{''.join(parts)}{_method(report)}</main></body></html>\n"
    )


def _head(report: Report) -> str:
    labels = sum(len(board.pair.boxes) for board in report.boards)
    sizes = sorted({f"{board.pair.width_px} x {board.pair.height_px} px" for board in report.boards})
    good = len(report.boards) - report.bad_count
    return (
        f"<h1>Qualification of {escape(report.bundle)}</h1>"
        f'<p class="muted">{escape(report.made_at)} &middot; {len(report.boards)} boards of '
        f"{escape(report.boards_from)}: {report.bad_count} bad with {labels} defects, {good} good &middot; "
        f"{escape(', '.join(sizes))}</p>"
    )


def _summary(report: Report) -> str:
    rows = []
    for precision, measured in report.measured.items():
        state = _state(report.standing(precision))
        seen, point = measured.agreement, measured.at_limits
        wrong = len(report.golden_wrong.get(precision, ()))
        golden = f"{report.golden_parts - wrong} of {report.golden_parts}" if report.golden_parts else "none"
        rows.append(
            f"<tr><td><b>{precision}</b></td><td>{state}</td><td>{_percent(measured.map33)}</td>"
            f"<td>{_percent(measured.map50)}</td><td>{_percent(measured.map50_95)}</td>"
            f"<td>{_percent(point.f_score)}<small>P {point.precision * 100:.1f} R {point.recall * 100:.1f}</small></td>"
            f"<td>{_rate(seen.escapes)}</td><td>{_rate(seen.false_calls)}</td>"
            f"<td>{_alarmed(len(measured.flips))}</td><td>{golden if not wrong else _alarmed(golden)}</td>"
            f"<td>{'-' if seen.kappa is None else f'{seen.kappa:.3f}'}</td>"
            f"<td>{measured.median_ms:.1f}<small>p99 {measured.p99_ms:.1f}</small></td></tr>"
        )
    threads = next(iter(report.runs.values())).threads
    if report.bounds is None:
        words = {precision: f"left out: {reason}" for precision, reason in report.refused.items()}
    else:
        words = {precision: str(found) for precision, found in report.conclusions.items()}
    reasons = "".join(f"<p><b>{precision}</b> {escape(text)}</p>" for precision, text in words.items())
    reasons += "".join(
        f"<p><b>{precision}</b> rejected before the model saw them: {escape(_counts(before))}</p>"
        for precision in report.runs
        if (before := report.not_looked_at(precision))
    )
    return (
        '<section><h2>Result</h2><div class="scroll"><table><tr><th>precision</th><th></th><th>mAP 0.33</th>'
        "<th>mAP 0.5</th><th>mAP 0.5:0.95</th><th>F-score</th><th>escapes</th><th>false calls</th><th>flips</th>"
        f"<th>golden hold</th><th>kappa</th><th>ms, {threads} thread{'s' * (threads != 1)}</th></tr>"
        f"{''.join(rows)}</table></div>{reasons}</section>"
    )


def _classes(report: Report) -> str:
    counts = next(iter(report.measured.values())).matches.label_counts
    head = "".join(f"<th>AP {precision}</th>" for precision in report.measured)
    chosen = f"<th>chosen on {escape(report.recommended_from)}</th>" if report.recommended else ""
    rows = []
    for kind, name in enumerate(report.classes):
        values = "".join(
            f"<td>{'-' if (ap := measured.ap33[kind]) is None else _percent(ap)}</td>"
            for measured in report.measured.values()
        )
        cost = ""
        if report.recommended:
            row = report.recommended[kind]
            cost = (
                f"<td>{row.threshold:.4f}<small>misses {row.missed} of {row.labels} defects, "
                f"{row.false_calls} false</small></td>"
            )
        rows.append(
            f"<tr><td>{escape(name)}</td><td>{counts[kind]}</td><td>{report.thresholds[kind]:.4f}</td>{cost}{values}</tr>"
        )
    return (
        '<section><h2>By class</h2><div class="scroll"><table><tr><th>class</th><th>defects</th>'
        f"<th>counts from score</th>{chosen}{head}</tr>{''.join(rows)}</table></div>"
        f'<p class="muted">Thresholds: {escape(report.limits_from)}. AP at IoU 0.33.</p></section>'
    )


def _curves(report: Report) -> str:
    charts = []
    for kind, name in enumerate(report.classes):
        curves = {precision: metrics.curve(m.matches, kind) for precision, m in report.measured.items()}
        charts.append(f'<div class="chart"><h3>{escape(name)}</h3>{precision_recall(curves, name)}</div>')
    key = "".join(f'<i style="border-color:{COLOURS[p]}"></i>{p}' for p in report.measured)
    return (
        f'<section><h2>Precision over recall, IoU 0.33 <small class="key muted">{key}</small></h2>'
        f'<div class="charts">{"".join(charts)}</div></section>'
    )


def _scores(report: Report) -> str:
    charts = []
    for precision, measured in report.measured.items():
        scores, right = measured.matches.scores, measured.matches.right
        charts.append(
            f'<div class="chart"><h3>{precision}</h3>{score_histogram(scores[right], scores[~right], precision)}</div>'
        )
    return (
        "<section><h2>Scores of right (up) and wrong (down) detections</h2>"
        f'<div class="charts">{"".join(charts)}</div>'
        '<p class="muted">Count on a logarithmic scale. What scores below 0.001 is left out.</p></section>'
    )


def _pictures(report: Report) -> str:
    boards = wrong_boards(report)
    if not boards:
        return "<section><h2>Escapes, false calls, flips</h2><p>None.</p></section>"
    figures = "".join(figure(report, index, reasons) for index, reasons in boards[:MOST])
    rest = ", ".join(report.boards[index].pair.name for index, _ in boards[MOST:])
    more = f'<p class="muted">Not shown: {escape(rest)}</p>' if rest else ""
    return (
        f"<section><h2>Escapes, false calls, flips: {len(boards)} boards</h2>"
        '<p class="muted">Left the board under test, right its golden template. Blue green: the label. Red: what '
        "counted. Amber, dashed: what scored below its threshold.</p>"
        f'<div class="figures">{figures}</div>{more}</section>'
    )


def _method(report: Report) -> str:
    first = next(iter(report.runs.values()))
    rows = {
        "gate": f"a precision is kept when it loses at most {MAX_MAP_LOSS * 100:.0f} point of mAP at IoU 0.5 "
        "against fp32 and every golden verdict holds; this says nothing of a product",
        **_outcome_rows(report),
        "mAP 0.33": "DeepPCB's protocol: same class, IoU above 0.33, area under the precision-recall curve as it is; "
        "mean over classes",
        "mAP 0.5, 0.5:0.95": "COCO's: 101 recall points of the smoothed curve",
        "F-score": "2PR / (P + R) over all classes, IoU above 0.33, at the thresholds above",
        "escapes, false calls": "verdicts of complete boards, with upper 95 % limits (Clopper and Pearson, one-sided); "
        "bad boards passed, good boards rejected",
        "flips": "boards whose verdict is not fp32's",
        "ms": f"one frame (optics, registration, model), median over {len(first.took_ns)} boards that the model "
        "saw, on the CPU; " + first.executor.rsplit(", ", 1)[0],
        "versions": ", ".join(f"{name} {version}" for name, version in versions().items()),
        "boards' hash": report.set_sha256,
        **report.notes,
    }
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items())
    return f"<section><h2>How it was measured</h2><dl>{items}</dl></section>"


def _outcome_rows(report: Report) -> dict[str, str]:
    if report.bounds is None:
        return {"kept": "what becomes of a product with this bundle, `aoi-daemon qualify` says"}
    return {
        "qualified": f"at most {report.bounds.max_escapes * 100:g} % of the bad boards passed and at most "
        f"{report.bounds.max_false_calls * 100:g} % of the good ones were rejected, of at least {LEAST_BAD} bad and "
        f"{LEAST_GOOD} good boards",
        "refused": "the lower 95 % limit of one of the two rates is above what is allowed, or the gate does not hold",
        "not shown": "neither: too few boards, or a rate that is above what is allowed and may be chance",
    }


def _state(standing: str) -> str:
    return f'<span class="alarm">{standing.upper()}</span>' if standing in ("refused", "left out") else standing


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _rate(rate: Rate) -> str:
    if not rate.of:
        return "-<small>none there</small>"
    return (
        f"{_alarmed(f'{rate.count} of {rate.of}') if rate.count else f'0 of {rate.of}'}"
        f"<small>at most {rate.high * 100:.1f} %</small>"
    )


def _alarmed(value: object) -> str:
    return f'<span class="bad">{value}</span>' if value else "0"


def _percent(value: float) -> str:
    return f"{value * 100:.2f} %"
