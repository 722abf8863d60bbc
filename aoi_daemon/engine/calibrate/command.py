"""The commands `aoi-daemon calibrate target | measure | check | watch`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done; 1 `check`: the target has moved; 2 the command line, a file or a picture is wrong, or none came.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from aoi_daemon.engine.calibrate.arguments import add_parsers
from aoi_daemon.engine.faults import InputError
from aoi_daemon.errors import AoiError
from aoi_daemon.files.offline import run_offline

if TYPE_CHECKING:
    from aoi_daemon.target.board import Target

__all__ = ["add_parsers", "run"]

_LINE_BOUNDS_MM = 90.0, 110.0
_MOST_PX = 2.0


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        return {"target": _target, "measure": _measure, "check": _check, "watch": _watch}[arguments.action](arguments)
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 2
    except BrokenPipeError:
        raise  # whoever read the output has seen enough
    except OSError as error:
        where = error.filename or getattr(arguments, "out", arguments.action)
        sys.stderr.write(f"aoi-daemon: {where}: {error.strerror}\n")
        return 2


def _target(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.calibrate.page import filling, write_target  # noqa: PLC0415

    asked = arguments.squares
    target = filling(arguments.paper, arguments.square_mm) if asked is None else _printed(arguments)
    write_target(arguments.out, target, arguments.paper)
    said = f"{target.text}, {arguments.paper}; print it at 100 %, and measure its line: 100.0 mm"
    sys.stdout.write(f"{arguments.out}: {said}\n")
    return 0


def _measure(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.calibrate.pictures import camera_of, next_of_line, picture_of  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.said import measured_json, measured_toml  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.solve import solve  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.white import white_of  # noqa: PLC0415
    from aoi_daemon.target.find import find_target  # noqa: PLC0415

    low, high = _LINE_BOUNDS_MM
    if not low <= arguments.line_mm <= high:
        raise InputError(
            f"--line-mm {arguments.line_mm:g}: a line of 100 mm that is so long was printed to another scale (allowed: "
            f"{low:g} to {high:g}); print the page at 100 %, without `fit to page`"
        )
    target = _printed(arguments)
    # A printer that shortens the line shortens each square alike.
    real = target._replace(square_mm=target.square_mm * arguments.line_mm / 100.0)
    # Picture files need no line.toml; it knows how the camera is set, where the camera is named.
    is_known = arguments.camera is not None or not arguments.pictures
    camera = camera_of(arguments, measured=False) if is_known else None
    pictures = [picture_of(file) for file in arguments.pictures]
    if camera is not None and not pictures:
        pictures = [next_of_line(arguments, camera.name, arguments.fov)]
    found = [find_target(name, image, real) for name, image in pictures]
    solved = solve(found)
    white = white_of(pictures[0].image, found[0], real)
    for warning in white.warnings:
        sys.stderr.write(f"aoi-daemon: warning: {pictures[0].name}: {warning}\n")
    said = measured_json if arguments.json else measured_toml
    sys.stdout.write(said(solved, white, camera) + "\n")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from aoi_daemon.config.lens import LEAST_MARKS  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.pictures import camera_of, next_of_line, picture_of  # noqa: PLC0415
    from aoi_daemon.stage.control import request  # noqa: PLC0415
    from aoi_daemon.stage.control_path import find_socket  # noqa: PLC0415
    from aoi_daemon.target.board import Target  # noqa: PLC0415
    from aoi_daemon.target.find import find_target  # noqa: PLC0415
    from aoi_daemon.target.moved import moved  # noqa: PLC0415

    camera = camera_of(arguments, measured=True)
    lens = camera.calibration
    if lens is None:
        said = f"{arguments.config}: camera {camera.name}"
        raise InputError(f"{said} has no `calibration`; `calibrate measure` prints it")
    if not lens.marks:
        raise InputError(f"{arguments.config}: camera {camera.name}: its `calibration` has no marks to compare with")
    watch = lens.watch
    if watch is None or arguments.squares is not None:
        target = _printed(arguments)
    else:
        target = Target(watch.columns, watch.rows, arguments.square_mm)
    most_px = arguments.most_px if arguments.most_px is not None else _MOST_PX if watch is None else watch.most_px
    if arguments.picture is not None:
        name, image = picture_of(arguments.picture)
    else:
        fov = arguments.fov if watch is None or arguments.fov is not None else watch.fov
        name, image = next_of_line(arguments, camera.name, fov)
        if watch is not None:
            # The alarm follows what is looked for now, and not a minute later.
            answer, _ = request(find_socket(None, arguments.config, arguments.config), {"do": "targets"})
            if not answer["ok"]:
                sys.stderr.write(f"aoi-daemon: note: no alarm follows: {answer['error']}\n")
    found = moved(lens, find_target(name, image, target, least=LEAST_MARKS))
    said = f"camera {camera.name}: {found.text}"
    if found.farthest_px <= most_px:
        sys.stdout.write(f"{said}: as it was measured\n")
        return 0
    sys.stdout.write(
        f"{said}, allowed are {most_px:g}: camera, lens or target have moved; put them back, or measure "
        "again and prove the product with its golden parts\n"
    )
    return 1


def _watch(arguments: argparse.Namespace) -> int:
    from aoi_daemon.config.lens import LEAST_MARKS  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.pictures import camera_of, next_of_line, picture_of  # noqa: PLC0415
    from aoi_daemon.engine.calibrate.said import watch_toml  # noqa: PLC0415
    from aoi_daemon.target.find import find_target  # noqa: PLC0415
    from aoi_daemon.target.moved import marks_of  # noqa: PLC0415

    target = _printed(arguments)
    if arguments.picture is not None:
        name, image = picture_of(arguments.picture)
    else:
        name, image = next_of_line(arguments, camera_of(arguments, measured=True).name, arguments.fov)
    # Twice what must be seen later: some of it may be covered then.
    marks = marks_of(find_target(name, image, target, least=2 * LEAST_MARKS))
    most_px = _MOST_PX if arguments.most_px is None else arguments.most_px
    sys.stdout.write(watch_toml(marks, target, most_px, arguments.fov) + "\n")
    return 0


def _printed(arguments: argparse.Namespace) -> Target:
    """What was printed, by the command line. Raises InputError."""
    from aoi_daemon.engine.calibrate.page import checked, filling  # noqa: PLC0415

    if arguments.squares is None:
        return filling("a4", arguments.square_mm)
    columns, _, rows = arguments.squares.lower().partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and len(arguments.squares) < 12):
        raise InputError(f"--squares {arguments.squares}: not COLUMNSxROWS, as 27x17")
    return checked(int(columns), int(rows), arguments.square_mm)
