"""Which plan a recipe's frames are fitted by."""

from __future__ import annotations

import numpy as np
import pytest

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.fit.geometry import Takes
from aoi_daemon.infer.fit.takes import check_looked_at, plan_for, takes_of
from tests.unit.infer.made_models import fixed
from tests.unit.infer.manifests import manifest_of

HEADS = {"heads": np.zeros((1, 5, 10), np.float32)}


@pytest.mark.parametrize(
    ("said", "stride", "expected"),
    [
        ({}, 1, Takes(240, 320, 1)),
        ({"stride": "32"}, 1, Takes(240, 320, 32)),
        ({"stride": "32"}, 48, Takes(240, 320, 96)),
        ({"stride": "no"}, 16, Takes(240, 320, 16)),
        ({"stride": "0"}, 16, Takes(240, 320, 16)),
    ],
)
def test_a_file_says_its_size_and_its_stride(tmp_path, said, stride, expected):
    file = fixed(tmp_path / "m.onnx", HEADS, said=said)
    assert takes_of(file, manifest_of("yolo", stride_px=stride)) == expected


def test_a_model_of_any_size_says_none(plain_model):
    assert takes_of(plain_model(), manifest_of()) == Takes(None, None, 1)


@pytest.mark.parametrize(("name", "said"), [("gone.onnx", "cannot be read"), ("text.onnx", "no ONNX model")])
def test_a_file_that_is_no_model_is_named(tmp_path, name, said):
    (tmp_path / "text.onnx").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match=f"{name}.*{said}"):
        plan_for(Fit(kind="tiles"), (480, 640, 1), tmp_path / name, manifest_of())


def test_maps_finer_than_the_frame_are_refused_with_what_would_do(tmp_path):
    file = fixed(tmp_path / "m.onnx", {"maps": np.zeros((1, 1, 60, 80), np.float32)})
    with pytest.raises(ModelError, match=r"would be enlarged to 320 x 240.*fit = 'pad' would do"):
        plan_for(Fit(kind="resize"), (120, 160, 1), file, manifest_of("anomaly"))
    assert plan_for(Fit(kind="resize"), (120, 160, 1), file, manifest_of("yolo")) is not None
    assert plan_for(Fit(kind="pad"), (120, 160, 1), file, manifest_of("anomaly")) is not None


def recipe(*regions, unit="px"):
    return Recipe(
        id=1, name="r", bundle="b", width_px=640, height_px=480, unit=unit, px_per_mm=10.0,
        regions=tuple({"kind": kind, "corners": corners} for kind, *corners in regions),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("regions", "unit", "refused"),
    [
        ((), "px", False),
        ((("inspect", (160, 120), (480, 360)),), "px", False),
        ((("inspect", (160, 120), (481, 360)),), "px", True),
        ((("inspect", (16, 12), (48, 36)),), "mm", False),
        ((("inspect", (16, 12), (48, 37)),), "mm", True),
        ((("ignore", (0, 0), (640, 480)),), "px", False),
    ],
)
def test_a_crop_that_leaves_out_a_place_that_is_to_be_inspected_is_refused(tmp_path, regions, unit, refused):
    file = fixed(tmp_path / "m.onnx", HEADS)
    product = recipe(*regions, unit=unit)
    plan = plan_for(Fit(kind="crop"), product.shape, file, manifest_of("yolo"))
    if not refused:
        check_looked_at(product, plan)
        return
    with pytest.raises(ValueError, match=r"regions\[0\]: .*x 160 to 480 and y 120 to 360"):
        check_looked_at(product, plan)
