"""What can be known of OpenVINO and a model before a line is started.

Process: a command, never the supervisor: a damaged model may take the process with it.
"""

from __future__ import annotations

from pathlib import Path

from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.openvino.compiled import Device, read_model
from aoi_daemon.infer.openvino.devices import installed
from aoi_daemon.infer.openvino.vendor import INSTALL


def package_problem() -> str:
    """That the package is not installed, with the remedy; "" where it is. It is not loaded: the supervisor may ask."""
    if installed():
        return ""
    return f"inspection.backend = 'openvino': needs the package openvino: {INSTALL}, or name another back end"


def open_only(file: Path, manifest: Manifest, shape: FrameShape) -> None:
    """Read `file` as OpenVINO does, for frames of `shape`, and let it go: it is compiled for no device.

    Raises:
        ModelError: OpenVINO does not take it, or it is not this contract.
    """
    read_model(file, manifest, shape)


def not_here(device: str, precision: Precision) -> str:
    """Why this machine does not run `precision` on `device`; "" where it does."""
    try:
        Device(device, precision, 1)
    except ModelError as error:
        return str(error)
    return ""
