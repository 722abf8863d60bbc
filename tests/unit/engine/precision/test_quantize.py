import logging

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from aoi_daemon.engine.frames import list_frames, set_hash
from aoi_daemon.engine.labels import BoardsError
from aoi_daemon.engine.precision import calibrate as calibrating
from aoi_daemon.engine.precision.calibrate import METHODS, calibrate
from aoi_daemon.engine.precision.graph import Graph
from aoi_daemon.engine.precision.lint import lint_quantised
from aoi_daemon.engine.precision.quantize import quantise
from aoi_daemon.engine.precision.sensitivity import blocks_of
from aoi_daemon.engine.reference import make_reference_model
from aoi_daemon.errors import ModelError
from tests.unit.engine.toy_detector import FLOAT, INT32, UINT8, tensor_types, write_boards


@pytest.fixture
def frames(boards, manifest):
    return list_frames(boards, manifest)[:6]


@pytest.fixture(scope="session")
def ranges(prepared, boards):
    from aoi_daemon.engine.frames import Frame

    frames = [Frame(f"b{n:03d}", boards / f"b{n:03d}_test.png", boards / f"b{n:03d}_temp.png", 1) for n in range(6)]
    return calibrate(prepared, frames, threads=1, advance=lambda: None)


@pytest.fixture
def int8(prepared, ranges, frames):
    # The toy's evidence is rare and great: entropy cuts it off, as it may.
    return quantise(prepared, ranges["percentile"], frames[0])


def test_every_quantised_activation_gets_a_range_by_each_method(prepared, ranges):
    graph = Graph(prepared)
    wanted = {name for node in graph.quantizable() for name in graph.activations(node)}
    for method in METHODS:
        assert set(ranges[method]) == wanted
        assert all(0 < reach < 100 for reach in ranges[method].values())


def test_percentile_ranges_are_near_the_greatest_magnitude(prepared, ranges, frames):
    wide = onnx.ModelProto()
    wide.CopyFrom(prepared)
    wide.graph.output.append(helper.make_empty_tensor_value_info("stem_r"))
    session = ort.InferenceSession(wide.SerializeToString(), providers=["CPUExecutionProvider"])
    greatest = 0.0
    for frame in frames:
        image, template = frame.read()
        (values,) = session.run(["stem_r"], {"image": image[None], "template": template[None]})
        greatest = max(greatest, float(np.abs(values).max()))
    assert 0.3 * greatest < ranges["percentile"]["stem_r"] <= greatest * 1.001


def test_calibration_says_how_far_it_is(prepared, frames):
    steps = []
    calibrate(prepared, frames, threads=1, advance=lambda: steps.append(1))
    assert len(steps) == 2 * len(frames)


def test_ranges_come_from_the_cache_the_second_time(prepared, frames, tmp_path, monkeypatch):
    first = calibrate(prepared, frames, threads=1, advance=lambda: None, cache=tmp_path)
    monkeypatch.setattr(calibrating, "_collect", lambda *_: pytest.fail("was calibrated again"))
    assert calibrate(prepared, frames, threads=1, advance=lambda: None, cache=tmp_path) == first


@pytest.mark.long
@pytest.mark.parametrize("change", ["model", "frames"])
def test_another_model_or_set_is_calibrated_anew(prepared, frames, tmp_path, change):
    calibrate(prepared, frames, threads=1, advance=lambda: None, cache=tmp_path)
    model = onnx.ModelProto()
    model.CopyFrom(prepared)
    if change == "model":
        next(i for i in model.graph.initializer if i.name == "shift").CopyFrom(
            numpy_helper.from_array(np.float32(-0.9), "shift")
        )
    else:
        frames = frames[1:]
    calibrate(model, frames, threads=1, advance=lambda: None, cache=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_a_damaged_cache_is_made_anew(prepared, frames, tmp_path):
    first = calibrate(prepared, frames, threads=1, advance=lambda: None, cache=tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text()[:100])
    assert calibrate(prepared, frames, threads=1, advance=lambda: None, cache=tmp_path) == first


def test_a_cache_that_cannot_be_written_costs_nothing_else(prepared, frames, tmp_path):
    (tmp_path / "file").write_text("")
    assert calibrate(prepared, frames, threads=1, advance=lambda: None, cache=tmp_path / "file")["entropy"]


def test_the_hash_of_a_set_knows_names_and_bytes_but_no_folder(tmp_path, manifest):
    one = list_frames(write_boards(tmp_path / "a", 3, seed=5), manifest)
    same = list_frames(write_boards(tmp_path / "b", 3, seed=5), manifest)
    other = list_frames(write_boards(tmp_path / "c", 3, seed=6), manifest)
    assert set_hash(one) == set_hash(same[::-1]) != set_hash(other)


def test_frames_without_their_template_are_left_out(tmp_path, manifest):
    folder = write_boards(tmp_path / "a", 3, seed=5)
    (folder / "b001_temp.png").unlink()
    (folder / "b002.txt").unlink()  # calibration needs no labels
    assert [frame.name for frame in list_frames(folder, manifest)] == ["b000", "b002"]
    alone = manifest.model_copy(update={"has_template": False})
    assert [frame.name for frame in list_frames(folder, alone)] == ["b000", "b001", "b002"]


def test_frames_are_found_whatever_the_case_of_their_endings(tmp_path, manifest):
    folder = write_boards(tmp_path / "a", 2, seed=5)
    (folder / "b000_test.png").rename(folder / "b000_TEST.PNG")
    (folder / "b001_temp.png").rename(folder / "b001_Temp.Png")
    found = [(frame.image.name, frame.template.name) for frame in list_frames(folder, manifest)]
    assert found == [("b000_TEST.PNG", "b000_temp.png"), ("b001_test.png", "b001_Temp.Png")]
    alone = manifest.model_copy(update={"has_template": False})
    assert [frame.name for frame in list_frames(folder, alone)] == ["b000", "b001"]
    (folder / "B001_test.png").write_bytes(b"")
    with pytest.raises(BoardsError, match="the same but for upper and lower case"):
        list_frames(folder, manifest)


def test_a_folder_without_frames_is_refused(tmp_path, manifest):
    with pytest.raises(BoardsError, match="no such folder"):
        list_frames(tmp_path / "nowhere", manifest)
    with pytest.raises(BoardsError, match=r"holds no NAME_test\.png with its NAME_temp\.png"):
        list_frames(tmp_path, manifest)


def test_a_frame_that_the_model_does_not_take_is_named(prepared, tmp_path, manifest):
    frames = list_frames(write_boards(tmp_path / "a", 1, seed=5, size_px=104), manifest)
    with pytest.raises(ModelError, match=r"b000_test\.png: the model does not take it"):
        calibrate(prepared, frames, threads=1, advance=lambda: None)


def test_a_model_without_convolutions_has_nothing_to_quantise(tmp_path, frames):
    file = tmp_path / "reference.onnx"
    make_reference_model(file)
    with pytest.raises(ModelError, match="nothing to quantise"):
        calibrate(onnx.load(file), frames, threads=1, advance=lambda: None)


def test_the_int8_model_breaks_no_rule_and_keeps_its_types(int8):
    assert lint_quantised(int8) == []
    assert tensor_types(int8) == {
        "image": UINT8, "template": UINT8, "boxes": FLOAT, "scores": FLOAT, "classes": INT32,
    }  # fmt: skip
    assert int8.opset_import[0].version == 17


def test_the_scales_are_the_ranges(int8, ranges):
    weights = {item.name: numpy_helper.to_array(item) for item in int8.graph.initializer}
    for name, reach in ranges["percentile"].items():
        assert weights[f"{name}_scale"] == pytest.approx(reach / 127)


def test_stem_head_and_tail_stay_float(int8):
    graph = Graph(int8)
    for node in (*graph.first, *graph.last):
        assert graph.constant(node.input[1]) is not None
    touched = {name for node in graph.nodes if node.op_type == "QuantizeLinear" for name in node.input}
    assert not touched & {"seen", "logits", "log_reach", "class_tower_r", "probability"}


def test_the_int8_model_still_finds_the_defects(int8, prepared, frames):
    for frame in frames:
        image, template = frame.read()
        feed = {"image": image[None], "template": template[None]}
        answers = []
        for model in (prepared, int8):
            session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            answers.append(session.run(["scores"], feed)[0])
        assert np.abs(np.sort(answers[0]) - np.sort(answers[1])).max() < 0.15


def test_quantising_is_quiet(prepared, ranges, frames, capsys, caplog):
    with caplog.at_level(logging.DEBUG):
        quantise(prepared, ranges["entropy"], frames[0])
    assert capsys.readouterr() == ("", "")
    assert not caplog.records


@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_layers_that_stay_in_float_read_and_are_float_and_all_others_are_quantised(prepared, ranges, frames, data):
    blocks = blocks_of(Graph(prepared))
    kept = data.draw(st.sets(st.sampled_from(blocks), max_size=len(blocks) - 1))
    names = {name for block in kept for name in block}
    model = quantise(prepared, ranges["max"], frames[0], names)
    graph = Graph(model)
    onnx.checker.check_model(model, full_check=True)
    for node in Graph(prepared).quantizable():
        inputs = next(n for n in graph.nodes if n.name == node.name).input[:2]
        makers = [graph.makers.get(name) for name in inputs]
        quantised = [maker is not None and maker.op_type == "DequantizeLinear" for maker in makers]
        assert quantised == [node.name not in names] * 2, node.name


def test_where_every_layer_stays_in_float_nothing_is_quantised_and_that_is_said(prepared, ranges, frames):
    names = {node.name for node in Graph(prepared).quantizable()}
    with pytest.raises(ModelError, match="nothing is quantised"):
        quantise(prepared, ranges["max"], frames[0], names)


def test_ranges_grow_from_entropy_over_percentiles_to_all_that_was_seen(ranges):
    for name, reach in ranges["max"].items():
        assert ranges["percentile"][name] <= ranges["percentile-99.999"][name] <= reach * 1.001
        assert ranges["entropy"][name] <= reach
