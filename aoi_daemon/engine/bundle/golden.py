"""Choose the parts that a bundle proves itself with, and write them.

Process: offline.

Only clear cases: what a bundle is held to on another machine and engine must not hang on the last digit
of a score. A bad part is clear when a right detection scores at least half way from its threshold to 1,
a good one when no detection scores more than half its threshold. Maps rise on good parts too, and the threshold is
what parts the two: there a tenth of it is enough, on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.boxes import Box, read_box
from aoi_daemon.config.recipe import GoldenPart, Manifest
from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.labels import BoardsError
from aoi_daemon.engine.qualify.metrics import DEEPPCB_IOU, match
from aoi_daemon.engine.qualify.qualify import Board, Run
from aoi_daemon.engine.qualify.task_figures import met
from aoi_daemon.infer.executor import Detections

FOLDER: Final = "golden"
_CLEAR_OF_MAP: Final = 0.1
"""So far from the threshold, as a share of it, a peak is clear."""
BILEVEL: Final = (cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 9)


class Chosen(NamedTuple):
    """A golden part before it is written: its frame, its name in the bundle, the verdict it must get.

    `boxes`: of a bad part the labels that FP32 found clearly; what it found less clearly may hang on the engine.
    """

    name: str
    frame: Frame
    passed: bool
    boxes: tuple[Box, ...] = ()


class _Case(NamedTuple):
    place: int
    clearness: float
    """0 at the threshold, 1 as far from it as can be; below 0.5 it is not clear."""
    classes: frozenset[int] = frozenset()
    """Classes of which a clear right detection is on the board."""
    labels: tuple[int, ...] = ()
    """The board's labels that they are of."""


@dataclass(frozen=True)
class Wanted:
    """What golden parts are chosen by.

    Attributes:
        thresholds: (classes,) from which score on a detection counts.
        count: of the parts; the command line asks for 24 at least.
        all_classes: whether each class must be shown, or those alone that some label is of.
    """

    manifest: Manifest
    thresholds: NDArray[np.float32]
    count: int
    all_classes: bool = True


def choose(
    boards: Sequence[Board], run: Run, wanted: Wanted, shares: Sequence[float] | None = None
) -> list[Chosen]:  # fmt: skip
    """Choose golden parts: half of them good, half bad, each class among the bad, the clearest first.

    A set without enough good boards is filled up with golden templates, each compared with itself.

    Args:
        boards: labelled boards.
        run: FP32's answers to them.
        wanted: how many, and by what.
        shares: of maps: by board, how high they rise, 1 at the threshold; None: the model has none.

    Raises:
        BoardsError: there are not enough clear cases, or none of some class.
    """
    classes, count = wanted.manifest.classes, wanted.count
    cases = [
        _case(index, board, seen, wanted, None if shares is None else shares[index])
        for index, (board, seen) in enumerate(zip(boards, run.found, strict=True))
    ]
    right = [
        case
        for case, verdict in zip(cases, run.verdicts, strict=True)
        if case.clearness >= 0.5 and verdict.passed is boards[case.place].pair.is_good
    ]
    right.sort(key=lambda case: -case.clearness)
    want_good, want_bad = count // 2, count - count // 2
    good = [case for case in right if boards[case.place].pair.is_good][:want_good]
    pool = [case for case in right if not boards[case.place].pair.is_good]
    bad = _one_of_each_class(pool, classes, _to_show(boards, wanted))
    bad += [case for case in pool if case not in bad][: max(0, want_bad - len(bad))]
    chosen = [_chosen(boards[case.place], passed=True) for case in good]
    for case in bad:
        board = boards[case.place]
        chosen.append(_chosen(board, passed=False, boxes=_boxes(board, case, classes)))
    chosen += _templates([boards[case.place] for case in bad], want_good - len(good))
    if len(bad) < want_bad or len(chosen) < count:
        templates = " (or their templates)" if wanted.manifest.has_template else ""
        raise BoardsError(
            f"golden: {len(bad)} bad and {len(good)} good boards of {len(boards)} are clear cases, {want_bad} bad "
            f"and as many good{templates} are needed; give --golden a larger folder"
        )
    return sorted(chosen, key=lambda part: part.name)


def unproven(chosen: Sequence[Chosen], wanted: Wanted) -> list[str]:
    """The classes of defect that no chosen part has a box of; none, where their places are not known."""
    if any(not part.passed and not part.boxes for part in chosen):
        return []
    shown = {box.label for part in chosen for box in part.boxes}
    return [name for name in wanted.manifest.classes if name not in shown and name not in wanted.manifest.good_classes]


def write_golden(folder: Path, chosen: Sequence[Chosen]) -> tuple[GoldenPart, ...]:
    """Write the parts as PNG under `folder`/golden; their entries for the manifest."""
    (folder / FOLDER).mkdir()
    parts = []
    for name, frame, passed, boxes in chosen:
        image, template = frame.read()
        file = f"{FOLDER}/{name}_test.png"
        entry = GoldenPart(image=file, sha256=_write(folder / file, image), passed=passed, boxes=boxes)
        if template is not None:
            file = f"{FOLDER}/{name}_temp.png"
            entry = entry.model_copy(update={"template": file, "template_sha256": _write(folder / file, template)})
        parts.append(entry)
    return tuple(parts)


def _case(index: int, board: Board, seen: Detections, wanted: Wanted, share: float | None) -> _Case:
    limits = wanted.thresholds[seen.classes]
    if board.pair.is_good and share is not None:
        return _Case(index, _of_map(1.0 - share))
    if board.pair.is_good:
        worst = float((seen.scores / limits).max(initial=0.0))
        return _Case(index, 1.0 - worst)
    room = (seen.scores - limits) / np.maximum(1.0 - limits, 1e-6)
    if share is not None:
        room = np.maximum(room, _of_map(seen.scores / limits - 1.0))
        clear = np.flatnonzero(met(seen, board.pair, room >= 0.5, wanted.manifest.classes))
        found = frozenset(int(board.pair.classes[label]) for label in clear)
        return _Case(index, float(room.max(initial=-1.0)) if len(clear) else -1.0, found, tuple(map(int, clear)))
    taken = match(seen, board.pair, DEEPPCB_IOU)
    clearness = np.where(taken >= 0, room, -1.0)
    found = frozenset(int(kind) for kind in seen.classes[clearness >= 0.5])
    labels = tuple(sorted(int(label) for label in taken[clearness >= 0.5]))
    return _Case(index, float(clearness.max(initial=-1.0)), found, labels)


def _of_map(distance: Any) -> Any:
    """How clear a peak is that lies so far from its threshold, as a share of that: a tenth is clear."""
    return np.minimum(0.5 * distance / _CLEAR_OF_MAP, 1.0)


def _to_show(boards: Sequence[Board], wanted: Wanted) -> list[int]:
    """The classes that some golden part must show."""
    labelled = {int(kind) for board in boards for kind in board.pair.classes}
    classes, good = wanted.manifest.classes, wanted.manifest.good_classes
    return [k for k, name in enumerate(classes) if name not in good and (wanted.all_classes or k in labelled)]


def _one_of_each_class(pool: Sequence[_Case], classes: Sequence[str], wanted: Sequence[int]) -> list[_Case]:
    chosen: list[_Case] = []
    for kind in wanted:
        if any(kind in case.classes for case in chosen):
            continue
        case = next((case for case in pool if kind in case.classes), None)
        if case is None:
            raise BoardsError(f"golden: no board has a clear {classes[kind]}; give --golden a folder with some")
        chosen.append(case)
    return chosen


def _chosen(board: Board, *, passed: bool, boxes: tuple[Box, ...] = ()) -> Chosen:
    return Chosen(board.pair.name, board.frame, passed, boxes)


def _boxes(board: Board, case: _Case, classes: Sequence[str]) -> tuple[Box, ...]:
    pair = board.pair
    if not pair.is_placed:
        return ()
    return tuple(read_box([*pair.boxes[label].tolist(), classes[pair.classes[label]]]) for label in case.labels)


def _templates(boards: Sequence[Board], count: int) -> list[Chosen]:
    """Golden templates as parts: what a template shows is good by definition."""
    found = []
    for board in [board for board in boards if board.pair.template_path is not None][: max(0, count)]:
        template = board.pair.template
        frame = Frame(
            board.pair.name, template, template if board.frame.template is not None else None, board.frame.channels,
            board.frame.bits,
        )  # fmt: skip
        found.append(Chosen(f"{board.pair.name}-template", frame, passed=True))
    return found


def _write(file: Path, image: NDArray[np.uint8]) -> str:
    """Write a PNG; its SHA-256."""
    # One bit a pixel where black and white are all there is: 3.0 kB for a scan of DeepPCB's instead of 7.1.
    bilevel = image.shape[2] == 1 and bool(np.isin(image, (0, 255)).all())
    done, png = cv2.imencode(".png", image, BILEVEL if bilevel else [])
    if not done:
        raise BoardsError(f"{file.name}: an image of shape {image.shape} cannot be written as PNG")
    raw = png.tobytes()
    file.write_bytes(raw)
    return hashlib.sha256(raw).hexdigest()
