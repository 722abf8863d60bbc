"""Executors over a fake GPU, and the skips of tests that need a package or a GPU."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.recipe import Manifest, Model
from aoi_daemon.infer.trt import executor as module
from aoi_daemon.infer.trt import warm as trt_warm
from aoi_daemon.infer.trt.executor import TensorRtExecutor
from tests.unit.infer.trt.trt_fakes import Clock, FakeApi, FakeDevice, fake_vendor

FRAME = (32, 48, 1)
OF_TASK = {
    "yolo": {"classes": ("dark", "bright")},
    "classify": {"classes": ("good", "bad"), "good_classes": ("good",)},
    "segment": {"classes": ("background", "bad"), "good_classes": ("background",)},
}
"""What a manifest of the task has beside its name, as the fake engine answers."""


@pytest.fixture
def clock(monkeypatch):
    """The clock of the executor and its warm-up."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(trt_warm, "time", clock)
    return clock


@pytest.fixture
def manifest():
    return lambda **fields: Manifest(
        **{
            "name": "fake",
            "classes": ("any",),
            "has_template": False,
            "models": {"fp32": Model(file="m.onnx", sha256="0" * 64)},
            **fields,
        }
    )


@pytest.fixture
def opened(clock, manifest):
    """Open an executor over a fake engine: SimpleNamespace(executor, device, api, clock)."""

    def open_one(
        *, template=False, flavour="tensorrt", refuse=None, device=None, engine=None, task="top100", **options
    ):
        device = device or FakeDevice(clock)
        engine = {"exact": [FRAME], "template": template, "task": task, **(engine or {})}
        api = FakeApi(device, {b"plan": engine})
        vendor = fake_vendor(api, flavour)
        api.refuse = refuse
        executor = TensorRtExecutor(
            vendor,
            device,
            options.pop("plan", b"plan"),
            manifest(has_template=template, task=task, **OF_TASK.get(task, {})),
            file=Path("e.plan"),
            **options,
        )
        return SimpleNamespace(executor=executor, device=device, api=api, clock=clock)

    return open_one


@pytest.fixture
def frame():
    """A frame of one gray."""
    return lambda gray=51, shape=FRAME: np.full(shape, gray, np.uint8)
