"""Bundles that line tests need: too slow for any takt, damaged, with other golden parts."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS = 400
CHANNELS = 16

GoldenParts = list[dict[str, Any]]
"""As a manifest has them."""


def copied(bundle: Path, folder: Path, golden: Callable[[GoldenParts], GoldenParts]) -> Path:
    """Another bundle with the same model: `golden` changes its golden parts, so its hash is another."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["golden"] = golden(manifest["golden"])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def first_wrong(golden: GoldenParts) -> GoldenParts:
    """The first does not get the verdict that it is said to have."""
    return [{**golden[0], "passed": not golden[0]["passed"]}, *golden[1:]]


def flip_a_bit(folder: Path) -> None:
    """Damage the reference model in `folder`."""
    model = folder / "reference.onnx"
    raw = bytearray(model.read_bytes())
    raw[len(raw) // 2] ^= 1
    model.write_bytes(raw)


def slow_bundle(folder: Path) -> Path:
    """A bundle whose model finds nothing, after seconds of convolutions on a 320 x 320 frame."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.1, (CHANNELS, 1, 1, 1)).astype(np.float32), "w_in"),
        numpy_helper.from_array(rng.normal(0, 0.08, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32), "w"),
        numpy_helper.from_array(np.zeros((1, 100, 4), np.float32), "no_boxes"),
        numpy_helper.from_array(np.zeros((1, 100), np.float32), "no_scores"),
        numpy_helper.from_array(np.zeros((1, 100), np.int32), "classes"),
        numpy_helper.from_array(np.zeros((1,), np.float32), "zero"),
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["nchw", "w_in"], ["x0"]),
    ]
    for index in range(LAYERS):
        nodes.append(helper.make_node("Conv", [f"x{index}", "w"], [f"c{index}"], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Tanh", [f"c{index}"], [f"x{index + 1}"]))
    nodes += [
        helper.make_node("ReduceMean", [f"x{LAYERS}"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["no_boxes", "nothing"], ["boxes"]),
        helper.make_node("Add", ["no_scores", "nothing"], ["scores"]),
        helper.make_node("Identity", ["classes_in"], ["classes"]),
    ]
    weights[4].name = "classes_in"
    graph = helper.make_graph(
        nodes,
        "slow",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "h", "w", 1])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 100, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 100]),
            helper.make_tensor_value_info("classes", TensorProto.INT32, [1, 100]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "slow.onnx")
    manifest = {
        "version": 1,
        "name": "slow",
        "classes": ["nothing"],
        "has_template": False,
        "models": {"fp32": {"file": "slow.onnx", "sha256": hashlib.sha256((folder / "slow.onnx").read_bytes()).hexdigest()}},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
