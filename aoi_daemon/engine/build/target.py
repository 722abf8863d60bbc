"""For which GPU a plan is built, and what is remembered of it between two builds."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from aoi_daemon.engine.build.arguments import TARGETS
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.files import make_folder, replace_file
from aoi_daemon.infer.trt.driver import Gpu, load_driver
from aoi_daemon.infer.trt.vendor import Vendor


def find_gpu(index: int) -> Gpu | None:
    """GPU number `index` of this machine, if there is one."""
    try:
        return load_driver().gpu(index)
    except InferenceError:
        return None


def on_gpu(index: int, gpu: Gpu | None) -> AbstractContextManager[None]:
    """Where TensorRT builds, which asks for no device: the first GPU is what it takes by itself."""
    return nullcontext() if gpu is None or index == 0 else load_driver().chosen(index)


def choose_target(vendor: Vendor, asked: str | None, gpu: Gpu | None) -> str:
    """What to build for, as `Gpu.target`. Raises ModelError where that cannot be."""
    if vendor.flavour == "tensorrt_lean":
        raise ModelError(
            f"tensorrt_lean {vendor.version} runs plans and builds none; build with TensorRT (aoi-daemon[gpu]), "
            "--version-compatible, on a machine with the same GPU, and copy the bundle's engines/ here"
        )
    if not vendor.is_rtx:
        if gpu is None:
            raise ModelError("TensorRT builds on the GPU that will run the plan, and this machine has none")
        if asked not in (None, gpu.target):
            raise ModelError(f"--target {asked}: TensorRT builds for the GPU of this machine alone, {gpu.target}")
        return gpu.target
    if asked is not None:
        return asked
    if gpu is None:
        raise ModelError(f"this machine has no GPU to build for; name one: --target {'|'.join(TARGETS)}")
    return gpu.target


def set_target(vendor: Vendor, config: Any, target: str) -> None:
    """Tell RTX what it builds for.

    Where it has no name for the target (it has none for 9.0) it is told none: it
    then builds for every GPU from Ampere on.
    """
    if not vendor.is_rtx:
        return
    capability = getattr(vendor.api.ComputeCapability, target.upper(), None)
    if capability is None:
        return
    config.num_compute_capabilities = 1
    if not config.set_compute_capability(capability, 0):
        raise vendor.refusal(f"target {target}")


def load_timing_cache(vendor: Vendor, config: Any, file: Path | None) -> None:
    """Start from the times measured before; a cache of another GPU or version is begun anew."""
    if file is None or vendor.is_rtx:  # RTX times nothing when it builds: its calls are deprecated and do nothing
        return
    try:
        known = file.read_bytes()
    except FileNotFoundError:
        known = b""
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        vendor.logger.take()
        cache = config.create_timing_cache(b"")
        if cache is None or not config.set_timing_cache(cache, False):
            raise vendor.refusal("timing cache")


def save_timing_cache(vendor: Vendor, config: Any, file: Path | None) -> None:
    """Keep the times that were measured. Raises ModelError when the file cannot be written."""
    if file is None or vendor.is_rtx:
        return
    cache = config.get_timing_cache()
    times = None if cache is None else cache.serialize()
    if times is None:
        return
    try:
        make_folder(file.parent)
        replace_file(file, bytes(times))
    except OSError as error:
        raise ModelError(f"{file}: cannot be written: {error.strerror}") from error
