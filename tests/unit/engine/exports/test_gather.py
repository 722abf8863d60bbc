"""One exported file, with what it keeps beside it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aoi_daemon.engine.exports.gather import check_float32, read_export
from aoi_daemon.errors import ModelError


def model_with(*weights, branch=()):
    """A model of `weights`, of which `branch` lie in a subgraph."""
    inner = helper.make_graph(
        [helper.make_node("Identity", [item.name], ["chosen"]) for item in branch[:1]]
        or [helper.make_node("Identity", ["x"], ["chosen"])],
        "inner",
        [],
        [helper.make_tensor_value_info("chosen", TensorProto.FLOAT, None)],
        list(branch),
    )
    nodes = [helper.make_node("If", ["is"], ["y"], then_branch=inner, else_branch=inner)]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]), helper.make_tensor_value_info("is", 9, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(weights),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture
def weights():
    return np.random.default_rng(3).random((40, 30), np.float32)


@pytest.fixture
def beside(tmp_path, weights):
    """A file whose weights lie in `model.onnx.data`, one of them in a subgraph."""
    model = model_with(numpy_helper.from_array(weights, "w"), branch=[numpy_helper.from_array(weights + 1, "inner_w")])
    file = tmp_path / "model.onnx"
    onnx.save(model, str(file), save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    return file


def place(file, name, **keys):
    """Say of the side-cars of `file` what `keys` do, of the first weight."""
    model = onnx.load(str(file), load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key in keys:
            entry.value = str(keys[entry.key])
    file.write_bytes(model.SerializeToString())


def test_weights_beside_the_file_are_gathered_into_it(beside, weights, tmp_path):
    """Of subgraphs too; what is written then needs no other file."""
    model = read_export(beside)
    alone = tmp_path / "elsewhere" / "alone.onnx"
    alone.parent.mkdir()
    alone.write_bytes(model.SerializeToString())
    again = onnx.load(str(alone))
    assert np.array_equal(numpy_helper.to_array(again.graph.initializer[0]), weights)
    inner = again.graph.node[0].attribute[0].g.initializer[0]
    assert np.array_equal(numpy_helper.to_array(inner), weights + 1)


def test_a_side_car_that_is_missing_is_named(beside):
    (beside.parent / "model.onnx.data").unlink()
    with pytest.raises(ModelError, match=r"keeps weights in model\.onnx\.data, which cannot be read .*copy it"):
        read_export(beside)


def test_a_side_car_that_is_cut_off_is_refused(beside):
    """Numbers would be made of what lies behind it."""
    side = beside.parent / "model.onnx.data"
    side.write_bytes(side.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"needs 4800 bytes at \d+ of model\.onnx\.data.*was not copied completely"):
        read_export(beside)


@pytest.mark.parametrize(
    "keys", [{"length": 4796}, {"offset": 10**9}, {"offset": -4}, {"offset": "four"}, {"length": "1e3"}]
)
def test_a_place_in_a_side_car_that_cannot_be_is_refused(beside, keys):
    place(beside, "w", **keys)
    with pytest.raises(ModelError, match=r"weight w|where in"):
        read_export(beside)


@pytest.mark.parametrize("location", ["../model.onnx.data", "/etc/hostname", "", "below/../../x"])
def test_no_side_car_outside_the_files_folder_is_read(beside, location):
    """A model from elsewhere must not read what it likes."""
    (beside.parent.parent / "model.onnx.data").write_bytes(b"\0" * 10_000)
    place(beside, "w", location=location)
    with pytest.raises(ModelError, match="only files in its own folder"):
        read_export(beside)


def test_a_link_out_of_the_folder_is_not_followed(beside, tmp_path):
    (beside.parent / "model.onnx.data").rename(tmp_path.parent / f"{tmp_path.name}.data")
    (beside.parent / "model.onnx.data").symlink_to(tmp_path.parent / f"{tmp_path.name}.data")
    with pytest.raises(ModelError, match="only files in its own folder"):
        read_export(beside)


def test_what_is_too_large_for_one_file_is_refused_before_it_is_read(beside):
    """By the sizes that are announced: nothing of that length is read, or asked of the memory."""
    size = beside.stat().st_size
    with pytest.raises(ModelError, match=r"a bundle's model is one file of at most .*smaller model"):
        read_export(beside, most_bytes=size + 14_399)
    assert read_export(beside, most_bytes=size + 14_400).graph.node


def test_what_is_no_model_is_refused(tmp_path):
    file = tmp_path / "model.onnx"
    with pytest.raises(ModelError, match="cannot be read"):
        read_export(file)
    for raw in (b"", b"PK\x03\x04 a zip", b"\x08\x08"):
        file.write_bytes(raw)
        with pytest.raises(ModelError, match="is not an ONNX model"):
            read_export(file)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(TensorProto.FLOAT16, "float16"), (TensorProto.BFLOAT16, "bfloat16"), (TensorProto.DOUBLE, "float64")],
)
def test_a_model_of_other_numbers_than_float32_is_refused(tmp_path, kind, name):
    """In a weight, in a subgraph's weight, and in an input."""
    weight = helper.make_tensor("w", kind, [3], [1.0, 2.0, 3.0])
    inner = helper.make_tensor("inner_w", kind, [3], [1.0, 2.0, 3.0])
    given = model_with()
    given.graph.input[0].type.tensor_type.elem_type = kind
    for model, which in (
        (model_with(weight), "weight w"), (model_with(branch=[inner]), "weight inner_w"), (given, "input x"),
    ):  # fmt: skip
        with pytest.raises(ModelError, match=rf"is {name} already \(its {which}\); export it in float32"):
            check_float32(model, tmp_path / "model.onnx")


def test_a_single_number_in_double_precision_is_no_reason(tmp_path):
    """PyTorch writes an epsilon so, and casts it."""
    check_float32(model_with(helper.make_tensor("epsilon", TensorProto.DOUBLE, [], [1e-6])), tmp_path / "m.onnx")
