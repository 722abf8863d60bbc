"""Which devices OpenVINO finds here, and which precisions each runs.

Process: one of its own, which ends with the answer. To ask loads the driver of each Intel GPU and NPU: one that hangs
or crashes must not take inspection with it.
"""

from __future__ import annotations

import importlib.util
from typing import Final

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.infer.openvino.rules import precision_problem
from aoi_daemon.infer.openvino.vendor import INSTALL as _PIP
from aoi_daemon.infer.openvino.vendor import core

INSTALL: Final = f"not installed: {_PIP}"


def installed() -> bool:
    """Whether the package is there; it is not loaded."""
    return importlib.util.find_spec("openvino") is not None


def devices() -> dict[str, list[str]]:
    """By device as line.toml names it (`cpu`, `gpu.1`): the precisions that it does not emulate.

    Raises:
        ModelError, RuntimeError: OpenVINO cannot be loaded, or does not say.
    """
    found: dict[str, list[str]] = {}
    for device in core().available_devices:
        can = list(map(str, core().get_property(device, "OPTIMIZATION_CAPABILITIES")))
        found[device.lower()] = [each for each in PRECISIONS if not precision_problem(device, each, can)]
    return found
