"""The folders of boards and frames that a bundle is made with, read and checked before anything is computed.

Process: offline. Blocks in the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.bundle.records import Request
from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.frames import Frame, list_frames, spread
from aoi_daemon.engine.labels import read_labelled
from aoi_daemon.engine.qualify.asked import asked_for
from aoi_daemon.engine.qualify.qualify import Board, boards_of


@dataclass(frozen=True)
class Sets:
    """All of them."""

    qualification: list[Board]
    golden: list[Board]
    validation: list[Board]
    calibration: list[Frame]


def read_sets(request: Request, manifest: Manifest, takes: tuple[int | None, int | None]) -> Sets:
    """Read the folders of `request`.

    Args:
        request: names them.
        manifest: what the model is.
        takes: (width_px, height_px) of its frames; None: any.

    Raises:
        InputError: int8 is asked for without frames to calibrate with.
        BoardsError: what of a folder is wrong.
    """
    asked = asked_for(manifest, layout=request.labels, bits=request.bits, named=request.named)

    def labelled(folder: Path) -> list[Board]:
        boards = boards_of(read_labelled(folder, asked), manifest)
        for board in boards:
            _check_size(board, takes)
        return boards

    calibration: list[Frame] = []
    if "int8" in request.precisions or request.prune:
        if request.calibration is None:
            raise InputError("int8 needs --calibration DIR, a folder of real frames; or leave it out of --precisions")
        calibration = spread(list_frames(request.calibration, manifest, request.bits), request.calibration_count)
    return Sets(labelled(request.qualification), labelled(request.golden), labelled(request.validation), calibration)


def _check_size(board: Board, takes: tuple[int | None, int | None]) -> None:
    pair = board.pair
    if takes[0] in (None, pair.width_px) and takes[1] in (None, pair.height_px):
        return
    size = " x ".join("any" if each is None else str(each) for each in takes)
    raise InputError(
        f"{pair.test_path}: is {pair.width_px} x {pair.height_px} px, the model takes {size} px alone: export it "
        "for the frames' size, or give pictures of the model's"
    )
