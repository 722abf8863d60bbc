"""What a file says of itself is checked against the manifest."""

import numpy as np
import onnx
import pytest

from aoi_daemon.errors import ModelError
from aoi_daemon.infer.exports import check_file
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from tests.unit.infer.made_models import fixed
from tests.unit.infer.manifests import manifest_of

SHAPE = (256, 320, 1)
YOLO = manifest_of("yolo", ("open", "short"))
NAMES = "{0: 'open', 1: 'short'}"
SAID = {"task": "detect", "names": NAMES, "stride": "32", "imgsz": "[256, 320]", "author": "Ultralytics"}


def heads(*sizes):
    return {"heads": np.zeros(sizes or (1, 6, 1680), np.float32)}


@pytest.mark.parametrize("said", [{}, SAID, {**SAID, "names": '{"0": "open", "1": "short"}'}, {"names": "anything"}, {"task": "denoise", "names": "{}"}])
def test_a_file_that_says_the_same_or_nothing_is_taken(tmp_path, said):
    """What other exporters write there is theirs."""
    file = fixed(tmp_path / "m.onnx", heads(), size=SHAPE[:2], said=said)
    check_file(file, YOLO, SHAPE)
    with OnnxExecutor(file, YOLO, threads=1, shape=SHAPE):
        pass


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        *[({"task": task}, f"its task is {task}, and is to be read as yolo") for task in ("obb", "pose", "segment", "classify")],
        ({"names": "{0: 'open'}"}, r"it has 1 classes \(open\), the bundle 2 \(open, short\)"),
        ({"names": "{0: 'short', 1: 'open'}"}, "its class 0 is 'short', the bundle's 'open': list the classes in the model's order"),
        ({"names": "{0: 'open', 1: 'kurz'}"}, "its class 1 is 'kurz', the bundle's 'short'"),
        ({"names": "{0: 'open', 2: 'short'}"}, "its class names cannot be read"),
        ({"names": "open, short"}, "its class names cannot be read"),
        ({"names": "[" * 5000}, "its class names cannot be read"),
        ({"names": "__import__('os').abort()"}, "its class names cannot be read"),
        ({"end2end": "True"}, "end to end, not heads; .*bundle make --task detect.*export it with end2end=False"),
        ({"stride": "64"}, None),
        ({"stride": "128"}, "frames are 320 x 256 px, the model needs multiples of 128"),
    ],
)  # fmt: skip
def test_what_contradicts_the_manifest_is_refused_by_name(tmp_path, said, problem):
    """And ONNX Runtime's back end refuses it, too."""
    file = fixed(tmp_path / "m.onnx", heads(), size=SHAPE[:2], said={**SAID, **said}, open_sizes=True)
    if problem is None:
        check_file(file, YOLO, SHAPE)
        return
    with pytest.raises(ModelError, match=rf"m\.onnx: .*{problem}"):
        check_file(file, YOLO, SHAPE)
    with pytest.raises(ModelError, match=problem):
        OnnxExecutor(file, YOLO, threads=1, shape=SHAPE)


@pytest.mark.parametrize(
    ("sizes", "problem"),
    [
        ((1, 1680, 6), r"transposed; expected \[1, 6, candidates\]"),
        ((1, 7, 1680), "one row too many, as oriented boxes"),
        ((1, 1680, 7), "transposed, and one row too many, as YOLOv5 has"),
        ((1, 38, 1680), "as a model of task segment has"),
        ((1, 9, 1680), r"output is heads float32 \[1, 9, 1680\]; expected heads float32 \[1, 6, any\]"),
    ],
)
def test_a_layout_that_is_known_is_named(tmp_path, sizes, problem):
    """With what is expected, or what to do."""
    with pytest.raises(ModelError, match=problem):
        check_file(fixed(tmp_path / "m.onnx", heads(*sizes), size=SHAPE[:2]), YOLO, SHAPE)


def test_end_to_end_is_named_for_a_bundle_of_more_classes(tmp_path):
    """(1, 300, 6): six columns are two classes' heads transposed, and else no heads at all."""
    manifest = manifest_of("yolo", ("a", "b", "c"))
    with pytest.raises(ModelError, match="end to end, not heads"):
        check_file(fixed(tmp_path / "m.onnx", heads(1, 300, 6), size=SHAPE[:2]), manifest, SHAPE)


def test_a_model_of_one_size_says_both(tmp_path):
    """A 4096 x 3072 recipe with a model that is fixed at 320."""
    file = fixed(tmp_path / "m.onnx", heads(), size=(320, 320))
    with pytest.raises(ModelError, match=r"takes frames of 320 x 320 px alone, the recipe's are 4096 x 3072 px: fit = 'tiles'"):
        check_file(file, YOLO, (3072, 4096, 1))


def test_channels_that_come_first_are_no_size(tmp_path):
    """[1, 3, 64, 64] as exporters have it: "64 x 3 px" would send a person looking for a recipe's fault."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Shape", ["image"], ["heads"])], "g",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 3, 64, 64))],
        [onnx.helper.make_tensor_value_info("heads", onnx.TensorProto.INT64, (4,))],
    )  # fmt: skip
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"float32 \[1, 3, 64, 64\]; expected image uint8 \[1, ") as refused:
        check_file(tmp_path / "m.onnx", YOLO, SHAPE)
    assert "frames of" not in str(refused.value)


def test_weights_in_a_file_beside_it_are_refused_with_the_way_out(tmp_path):
    """And done so, it is taken."""
    file = fixed(tmp_path / "m.onnx", heads(), size=SHAPE[:2])
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="m.data", size_threshold=0)
    with pytest.raises(ModelError, match=r"m\.onnx: keeps \d+ weights in a file beside it .*save_as_external_data=False"):
        check_file(file, YOLO, SHAPE)
    with pytest.raises(ModelError, match="in a file beside it"):
        OnnxExecutor(file, YOLO, threads=1)
    onnx.save(onnx.load(file), file, save_as_external_data=False)
    check_file(file, YOLO, SHAPE)


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model at all")
    with pytest.raises(ModelError, match=r"m\.onnx: is no ONNX model, or a damaged one"):
        check_file(tmp_path / "m.onnx", YOLO)
    with pytest.raises(ModelError, match=r"gone\.onnx: cannot be read: No such file"):
        check_file(tmp_path / "gone.onnx", YOLO)
