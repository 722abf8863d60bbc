"""Generate boards: one at a time in memory, or a folder of them.

Every board is drawn from (seed, index) alone. Which process makes it, and in which order, changes no byte.
"""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.kit.boards import export, imaging
from aoi_daemon.kit.boards.defects import damage
from aoi_daemon.kit.boards.labels import BoardsError, label_text
from aoi_daemon.kit.boards.layout import draw_layout
from aoi_daemon.kit.boards.options import Board, BoardOptions, Colour, Defect, Style
from aoi_daemon.kit.boards.parts import log_uniform

# Independent streams of one board, so that a change in one part leaves the others' draws alone.
PLAN, LAYOUT, TEST_SCENE, TEMPLATE_SCENE, DEFECTS, LIGHT = range(6)

# Boards handed to a worker process at a time: few enough to spread evenly at the end.
CHUNK: Final = 4


def generate(seed: int, index: int, options: BoardOptions | None = None) -> Board:
    """Make board `index` of the series `seed`."""
    options = options or BoardOptions()
    height_px, width_px = options.height_px, options.width_px

    def stream(part: int) -> np.random.Generator:
        return np.random.default_rng([seed, index, part])

    plan = stream(PLAN)
    is_good = plan.random() < options.good_fraction
    style = Style.BINARY if plan.random() < 0.5 else Style.GRAY
    if options.style is not Style.MIXED:
        style = options.style
    # DeepPCB's defects were drawn after the optics and are sharp; a camera's are not.
    blur_px = log_uniform(plan, 0.45, 1.7)

    layout = draw_layout(stream(LAYOUT), width_px, height_px)
    template_rng, test_rng = stream(TEMPLATE_SCENE), stream(TEST_SCENE)
    template = imaging.untouched(layout, height_px, width_px)
    template_scene = imaging.draw_scene(template_rng, height_px, width_px, blur_px)
    imaging.scatter_dust(template_rng, template)
    test = imaging.register(test_rng, layout, height_px, width_px)
    test_scene = imaging.draw_scene(test_rng, height_px, width_px, blur_px)
    imaging.scatter_dust(test_rng, test)
    defects: tuple[Defect, ...] = ()
    if not is_good:
        test, defects = damage(stream(DEFECTS), test_scene, style, test, options)

    if style is Style.BINARY:
        test_image = imaging.render_binary(test_scene, test)
        template_image = imaging.render_binary(template_scene, template)
    else:
        light = imaging.draw_light(stream(LIGHT))
        test_image = imaging.render_gray(test_rng, test_scene, test, light)
        template_image = imaging.render_gray(template_rng, template_scene, template, light)
    if options.colour is Colour.BGR:
        test_image, template_image = (_in_colour(stream(LIGHT), image, style) for image in (test_image, template_image))
    return Board(test_image, template_image, defects, style)


def _in_colour(rng: np.random.Generator, image: NDArray[np.uint8], style: Style) -> NDArray[np.uint8]:
    if style is Style.BINARY:
        # One bit has no hue.
        return np.repeat(image[:, :, None], 3, axis=2)
    return imaging.tint(rng, image)


def board_name(index: int) -> str:
    """Name a board so that sorting by name sorts by index."""
    return f"board{index:06d}"


def write_boards(
    out: Path,
    count: int,
    seed: int,
    options: BoardOptions | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    jobs: int = 1,
    formats: Collection[str] = (),
) -> None:
    """Write `count` boards into the new folder `out` in DeepPCB's layout, all of them or nothing.

    Args:
        out: made here; its parent folders, too.
        count: how many boards.
        seed: names the series, see `generate`.
        options: what the boards look like.
        progress: called with the number of boards written so far.
        jobs: worker processes; 1 works in this process.
        formats: "coco" and "yolo" add their label files.

    Raises:
        BoardsError: `out` holds something already or cannot be written.
    """
    options = options or BoardOptions()
    if count < 1:
        raise BoardsError(f"count: {count}, at least 1 board is needed")
    # Beside it, then renamed: an interrupted run leaves no folder that looks complete.
    partial = out.with_name(f".{out.name}.partial")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise BoardsError(f"{out}: exists and is not an empty folder; name a new one")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        work = [(partial, seed, index, options) for index in range(count)]
        written = []
        for result in _map(work, jobs):
            written.append(result)
            if progress is not None:
                progress(len(written))
        if "coco" in formats:
            export.write_coco(partial, written, options)
        if "yolo" in formats:
            export.write_yolo(partial, written, options)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as e:
        raise BoardsError(f"{out}: cannot be written: {e}") from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_board(out: Path, name: str, board: Board) -> None:
    """Write one trio into the folder `out`, the label last: a board without one is refused by readers."""
    for ending, image in (("temp", board.template), ("test", board.test)):
        # The fastest level; binary boards are small at any.
        ok, raw = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not ok:
            raise OSError(f"OpenCV cannot encode {name}_{ending}.png")
        (out / f"{name}_{ending}.png").write_bytes(raw.tobytes())
    boxes = [defect.box for defect in board.defects]
    text = label_text(boxes, [int(defect.kind) for defect in board.defects])
    (out / f"{name}.txt").write_text(text, encoding="ascii")


def _map(work: list[tuple[Path, int, int, BoardOptions]], jobs: int) -> Iterator[tuple[str, tuple[Defect, ...]]]:
    if jobs <= 1:
        yield from map(_work, work)
        return
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(work)), _single_threaded) as pool:
        yield from pool.imap(_work, work, CHUNK)


def _single_threaded() -> None:
    # The processes share the cores already.
    cv2.setNumThreads(1)


def _work(item: tuple[Path, int, int, BoardOptions]) -> tuple[str, tuple[Defect, ...]]:
    out, seed, index, options = item
    board = generate(seed, index, options)
    name = board_name(index)
    write_board(out, name, board)
    return name, board.defects
