"""Where the commands have their pictures from: files, or the next frame of the running line.

Process: offline. Blocks: until a frame comes, for as long as the command line says.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.cameras import Camera
from aoi_daemon.config.load import load
from aoi_daemon.engine.faults import InputError
from aoi_daemon.pictures import read_picture
from aoi_daemon.stage.control_path import find_socket
from aoi_daemon.stage.live_frames import frames_of_line


class Picture(NamedTuple):
    """What it is called in errors, and (H, W, 1) or, where it is in colour, (H, W, 3) BGR uint8."""

    name: str
    image: NDArray[np.uint8]


def picture_of(file: Path) -> Picture:
    """Read a file. Raises InputError where it is no picture."""
    return Picture(str(file), _plain(read_picture(file, 3)))


def next_of_line(arguments: argparse.Namespace, camera: str, fov: int | None) -> Picture:
    """The next frame that the running line takes with `camera`.

    Args:
        arguments: with `config` and `wait_s`.
        camera: its name.
        fov: a frame of this field of view; None: of any.

    Raises:
        NotRunningError: the line does not run.
        InputError: no frame came.
    """
    with frames_of_line(find_socket(None, arguments.config, arguments.config), camera) as frames:
        found = frames.next_frame(arguments.wait_s, fov=fov)
    if found is None:
        which = "" if fov is None else f" of field of view {fov}"
        raise InputError(
            f"camera {camera}: no frame{which} came within {arguments.wait_s:g} s; trigger it while the command waits "
            "(--wait-s), or name a picture file"
        )
    return Picture(f"camera {camera}", _plain(found.image))


def camera_of(arguments: argparse.Namespace, *, measured: bool) -> Camera:
    """The camera that the command line means; where it must have been `measured` before, the one that was.

    Raises:
        ConfigError: line.toml is wrong.
        InputError: there is none of this name, or several, and none is named.
    """
    config: Path = arguments.config
    cameras = {camera.name: camera for camera in load(config).line.cameras}
    there = ", ".join(cameras)
    name = arguments.camera
    if name is None:
        named = [each for each, camera in cameras.items() if measured and camera.calibration] or list(cameras)
        if len(named) > 1:
            raise InputError(f"{config}: has several cameras ({there}); say which with --camera NAME")
        name = named[0]
    if name not in cameras:
        raise InputError(f"--camera {name}: there is none of this name in {config} (there: {there})")
    return cameras[name]


def _plain(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """In colour where it is; gray else."""
    is_gray = (image[..., :1] == image).all()
    return image[..., :1] if is_gray else image
