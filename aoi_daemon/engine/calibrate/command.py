"""The commands `aoi-daemon calibrate target | measure | check`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done; 1 `check`: the target has moved; 2 the command line, a file or a picture is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from aoi_daemon.engine.calibrate.arguments import add_parsers
from aoi_daemon.engine.faults import InputError
from aoi_daemon.errors import AoiError
from aoi_daemon.files.offline import run_offline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aoi_daemon.config.lens import Lens
    from aoi_daemon.engine.calibrate.solve import Solved
    from aoi_daemon.engine.calibrate.target import Target

__all__ = ["add_parsers", "run"]

_LINE_BOUNDS_MM = 90.0, 110.0


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        return {"target": _target, "measure": _measure, "check": _check}[arguments.action](arguments)
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 2
    except BrokenPipeError:
        raise  # whoever read the output has seen enough
    except OSError as error:
        sys.stderr.write(f"aoi-daemon: {error.filename or arguments.out}: {error.strerror}\n")
        return 2


def _target(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.calibrate.target import filling, write_target  # noqa: PLC0415

    asked = arguments.squares
    target = filling(arguments.paper, arguments.square_mm) if asked is None else _printed(arguments)
    write_target(arguments.out, target, arguments.paper)
    said = f"{target.text}, {arguments.paper}; print it at 100 %, and measure its line: 100.0 mm"
    sys.stdout.write(f"{arguments.out}: {said}\n")
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.calibrate.find import find_target, white_of  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.solve import solve  # noqa: PLC0415

    low, high = _LINE_BOUNDS_MM
    if not low <= arguments.line_mm <= high:
        raise InputError(
            f"--line-mm {arguments.line_mm:g}: a line of 100 mm that is so long was printed to another scale (allowed: "
            f"{low:g} to {high:g}); print the page at 100 %, without `fit to page`"
        )
    target = _printed(arguments)
    # A printer that shortens the line shortens each square alike.
    real = target._replace(square_mm=target.square_mm * arguments.line_mm / 100.0)
    images = [_picture(file) for file in arguments.pictures]
    found = [find_target(str(file), image, real) for file, image in zip(arguments.pictures, images, strict=True)]
    solved = solve(found)
    white = white_of(found[0].name, images[0], found[0], real) if images[0].shape[2] == 3 else None
    sys.stdout.write((_json(solved, white) if arguments.json else _toml(solved, white)) + "\n")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    import numpy as np  # noqa: PLC0415

    from aoi_daemon.engine.calibrate.find import find_target  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.solve import shift_px  # noqa: PLC0415

    camera, lens = _measured(arguments)
    moved = shift_px(lens, find_target(str(arguments.picture), _picture(arguments.picture), _printed(arguments)))
    x, y = np.median(moved, axis=0)
    farthest = float(np.hypot(*moved.T).max())
    said = f"camera {camera}: the target lies {x:+.2f}, {y:+.2f} px right and down of its place, {farthest:.2f} at most"
    if farthest <= arguments.most_px:
        sys.stdout.write(f"{said}: as it was measured\n")
        return 0
    sys.stdout.write(
        f"{said}, allowed are {arguments.most_px:g}: camera, lens or target have moved; put them back, or measure "
        "again and prove the product with its golden parts\n"
    )
    return 1


def _printed(arguments: argparse.Namespace) -> Target:
    """What was printed, by the command line. Raises InputError."""
    from aoi_daemon.engine.calibrate.target import checked, filling  # noqa: PLC0415

    if arguments.squares is None:
        return filling("a4", arguments.square_mm)
    columns, _, rows = arguments.squares.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and len(arguments.squares) < 12):
        raise InputError(f"--squares {arguments.squares}: not COLUMNSxROWS, as 27x17")
    return checked(int(columns), int(rows), arguments.square_mm)


def _picture(file: Any) -> NDArray[np.uint8]:
    """In colour where it is; gray else."""
    from aoi_daemon.pictures import read_picture  # noqa: PLC0415

    image = read_picture(file, 3)
    is_gray = (image[..., :1] == image).all()
    return image[..., :1] if is_gray else image


def _measured(arguments: argparse.Namespace) -> tuple[str, Lens]:
    """The camera that is meant, and what was measured of it. Raises ConfigError, InputError."""
    from aoi_daemon.config.load import load  # noqa: PLC0415

    cameras = {camera.name: camera.calibration for camera in load(arguments.config).line.cameras}
    there = ", ".join(cameras)
    name = arguments.camera
    if name is None:
        named = [each for each, lens in cameras.items() if lens is not None] or list(cameras)
        if len(named) > 1:
            raise InputError(f"{arguments.config}: has several cameras ({there}); say which with --camera NAME")
        name = named[0]
    if name not in cameras:
        raise InputError(f"--camera {name}: there is none of this name in {arguments.config} (there: {there})")
    lens = cameras[name]
    if lens is None:
        raise InputError(f"{arguments.config}: camera {name} has no `calibration`; `calibrate measure` prints it")
    return name, lens


def _toml(solved: Solved, white: tuple[float, float, float] | None) -> str:
    lens = solved.lens
    marks = ",\n".join(f"  {{ id = {mark.id}, x_px = {mark.x_px}, y_px = {mark.y_px} }}" for mark in lens.marks)
    lines = [
        f"# {solved.corners} corners, {solved.residual_px:.2f} px beside the model (RMS); the scale differs by "
        f"{solved.tilt_percent:.2f} % over the target",
        "# recipes of this camera: px_per_mm = " + f"{lens.px_per_mm:.4f}",
        "[cameras.calibration]  # below the [[cameras]] that it is of",
        f"width_px = {lens.width_px}",
        f"height_px = {lens.height_px}",
        f"px_per_mm = {lens.px_per_mm:.5f}",
        f"k1 = {lens.k1:.6f}",
        f"k2 = {lens.k2:.6f}",
        f"marks = [\n{marks},\n]",
    ]
    if white is not None:
        blue, green, red = white
        gains = f"red {red:.3f}, green {green:.3f}, blue {blue:.3f}"
        lines.insert(2, f"# white balance: gains of {gains}, times those that the camera has now")
    return "\n".join(lines)


def _json(solved: Solved, white: tuple[float, float, float] | None) -> str:
    said = {
        **solved.lens.model_dump(mode="json"), "corners": solved.corners, "residual_px": solved.residual_px,
        "tilt_percent": solved.tilt_percent,
        "white_balance": None if white is None else dict(zip(("blue", "green", "red"), white, strict=True)),
    }  # fmt: skip
    return json.dumps(said)
