"""What this machine would run engines with, asked in a process of its own.

To ask loads CUDA's driver and TensorRT's libraries: hundreds of MB that whoever
asks, the supervisor, is not to carry for the life of the line. The answer is
kept: a reload must not wait for it again.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
from typing import Any, Final

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt.driver import Gpu, load_driver
from aoi_daemon.infer.trt.plan import Machine
from aoi_daemon.infer.trt.vendor import load_vendor

_PATIENCE_S: Final = 60


@functools.cache
def this_machine(device: int) -> Machine | str:
    """Package, version and GPU number `device` of this machine; a text: why that cannot be told here.

    Raises:
        ModelError: the machine has GPUs, and would still run no engine on this one; says what is wrong.
    """
    command = [sys.executable, "-m", __name__, str(device)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
        answer = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_PATIENCE_S} s"
    except (IndexError, ValueError):
        return f"asking it ended with code {done.returncode}: {done.stderr.strip()[-300:]}"
    if "wrong" in answer:
        raise ModelError(answer["wrong"])
    if "unknown" in answer:
        return str(answer["unknown"])
    major, minor = answer["capability"]
    return Machine(answer["flavour"], answer["version"], Gpu(answer["gpu"], (major, minor)))


def ask(device: int) -> dict[str, Any]:
    """What the process answers."""
    try:
        driver = load_driver()
        vendor = load_vendor()
    except ModelError as error:
        return {"unknown": str(error)}
    try:
        gpu = driver.gpu(device)
    except ModelError as error:
        return {"wrong": str(error)}
    if importlib.util.find_spec("pycuda") is None:
        return {"wrong": "pycuda is missing; install aoi-daemon[gpu]"}
    return {"flavour": vendor.flavour, "version": vendor.version, "gpu": gpu.name, "capability": gpu.capability}


if __name__ == "__main__":
    print(json.dumps(ask(int(sys.argv[1]))))  # noqa: T201  # to whoever asked
