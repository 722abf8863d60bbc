"""What a person sees while a run goes on: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tools.detector.plan import Figures

# In a log file; a bar needs no lines.
LINE_EVERY_S: Final = 10.0


@contextmanager
def reporter(console: Console) -> Iterator[Callable[[Figures], None]]:
    """Give a function that shows the training's figures until the context ends."""
    if not console.is_terminal:
        yield _lines(console)
        return
    with Progress(BarColumn(), TextColumn("{task.percentage:3.0f} %  {task.description}"), console=console) as bar:
        task = bar.add_task("first steps", total=1.0)
        yield lambda now: bar.update(task, completed=now.done, description=_text(now))


def line_of(name: str, figures: Mapping[str, Any]) -> str:
    """One test's figures, as `evaluate.summary` gives them, in one line."""
    point = figures["at_threshold"]
    return (
        f"{name}: {figures['boards']} boards, {figures['labels']} labels: "
        f"mAP@0.33 {100 * figures['map_iou33']:.2f} %, mAP@0.5 {100 * figures['map_iou50']:.2f} %, "
        f"mAP@0.5:0.95 {100 * figures['map_iou50_95']:.2f} %; "
        f"at {point['threshold']:.2f} F {100 * point['f_score']:.2f} %, escapes {point['escapes']} of "
        f"{point['bad_boards']}, false calls {point['false_calls']} of {point['good_boards']}"
    )


def _lines(console: Console) -> Callable[[Figures], None]:
    last_s = -LINE_EVERY_S

    def show(now: Figures) -> None:
        nonlocal last_s
        if now.elapsed_s - last_s >= LINE_EVERY_S:
            last_s = now.elapsed_s
            console.print(f"{100 * now.done:5.1f} %  {now.elapsed_s:.0f} s  {_text(now)}")

    return show


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds as h:mm:ss, without hours where there are none."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def _text(now: Figures) -> str:
    return (
        f"step {now.step}  class {now.class_loss:.3f}  box {now.box_loss:.4f}  rate {now.rate:.1e}  "
        f"{now.steps_per_s:.2g} steps/s  {now.boards_per_s:.0f} boards/s  {_clock(now.left_s)} left"
    )
