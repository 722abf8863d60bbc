"""TensorRT's own INT8 calibration, for 8.6 to 10.x on an FP32 model without Q/DQ.

Offered beside explicit Q/DQ, which is what a bundle ships: the calibrator's
ranges are TensorRT's choice and cannot be qualified on a CPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.engine.build.convert import manifest_of
from aoi_daemon.engine.build.shapes import Profile
from aoi_daemon.engine.frames import Frame, list_frames
from aoi_daemon.errors import AoiError, ModelError
from aoi_daemon.infer.executor import TensorInfo
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.vendor import Vendor
from aoi_daemon.pictures import list_pictures

Batch = dict[str, NDArray[Any]]


def calibration_frames(file: Path, inputs: Sequence[TensorInfo], folder: Path) -> Sequence[Frame]:
    """The frames of `folder` for a model with `inputs`.

    Two kinds of model are known: the contract of infer/executor.py, and one image input float32
    (1, 3, H, W), which is given RGB from 0 to 1 as YOLO exports take it.

    Raises:
        ModelError: the model is neither, or there is no frame.
    """
    try:
        if _is_yolo(inputs):
            frames = [Frame(path.stem, path, None, 3) for path in list_pictures(folder)]
            if not frames:
                raise ModelError(f"{folder}: holds no image")
            return frames
        return list_frames(folder, manifest_of(file, inputs))
    except ModelError:
        raise
    except AoiError as error:
        raise ModelError(str(error)) from error


def make_calibrator(
    vendor: Vendor,
    device: CudaDevice,
    inputs: Sequence[TensorInfo],
    frames: Sequence[Frame],
    *,
    profile: Profile | None,
    cache: Path,
) -> Any:
    """An IInt8EntropyCalibrator2 that feeds `frames`, one at a time.

    Its attribute `error` is what ended it early, None otherwise: TensorRT would
    not pass an exception on.

    Args:
        vendor: 8.6 to 10.x.
        device: holds the frame on the GPU.
        inputs: of the model.
        frames: read one by one.
        profile: whose `opt` sizes frames must have; None: the inputs' own.
        cache: beside this file the ranges are kept, under a name that says which frames set them.
    """
    sizes = {t.name: profile[t.name].opt if profile else tuple(int(n or 0) for n in t.shape) for t in inputs}
    waiting = list(reversed(frames))
    kept = cache.with_name(f"{cache.name}.{_hash(frames)[:12]}.calibration")

    base: Any = vendor.api.IInt8EntropyCalibrator2

    class Calibrator(base):  # type: ignore[misc]  # the base is known at run time
        def __init__(self) -> None:
            super().__init__()
            self.error: Exception | None = None
            self.addresses: dict[str, int] = {}

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: list[str]) -> list[int] | None:
            if not waiting:
                return None
            try:
                batch = load_batch(waiting.pop(), inputs, sizes)
                for name, array in batch.items():
                    if name not in self.addresses:
                        self.addresses[name] = device.allocate(array.nbytes)
                    device.copy_in(self.addresses[name], array)
                device.synchronize()
            except (AoiError, cv2.error) as error:
                self.error = error
                return None
            return [self.addresses[name] for name in names]

        def read_calibration_cache(self) -> bytes | None:
            return kept.read_bytes() if kept.is_file() else None

        def write_calibration_cache(self, ranges: Any) -> None:
            try:
                kept.write_bytes(bytes(ranges))
            except OSError:
                pass  # costs time at the next build

    return Calibrator()


def load_batch(frame: Frame, inputs: Sequence[TensorInfo], sizes: dict[str, tuple[int, ...]]) -> Batch:
    """One frame as the model's inputs. Raises ModelError on another size than the engine's."""
    if _is_yolo(inputs):
        name = inputs[0].name
        _, _, height, width = sizes[name]
        image = cv2.resize(frame.read()[0], (width, height), interpolation=cv2.INTER_LINEAR)
        planes = image[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) / 255
        return {name: np.ascontiguousarray(planes[None])}
    image, template = frame.read()
    batch: Batch = {"image": image[None]} if template is None else {"image": image[None], "template": template[None]}
    for name, array in batch.items():
        if array.shape != sizes[name]:
            raise ModelError(f"{frame.image}: {name} is {array.shape}; calibration needs {sizes[name]}")
    return batch


def _hash(frames: Sequence[Frame]) -> str:
    whole = hashlib.sha256()
    for frame in frames:
        for file in frame.files:
            whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def _is_yolo(inputs: Sequence[TensorInfo]) -> bool:
    return len(inputs) == 1 and inputs[0].dtype == "float32" and len(inputs[0].shape) == 4 and inputs[0].shape[1] == 3
