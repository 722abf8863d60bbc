"""Each program's export is told by what it says and by its graph."""

import pytest

from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.engine.precision.wrap import UNIT
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports import layouts
from tests.unit.engine.exports.layouts import COUNT, NAMES, PX, beside, written

RIGHT = {
    "yolo": (layouts.yolo, "yolo", "detect"),
    "yolo, sizes open": (layouts.yolo_open, "yolo", "detect"),
    "yolo, no words": (layouts.yolo_bare, "yolo", "detect"),
    "yolov5": (layouts.yolov5, "yolov5", "detect"),
    "yolo, end to end": (layouts.yolo_end_to_end, "yolo-rows", "detect"),
    "yolo, nms": (layouts.yolo_nms, "yolo-rows", "detect"),
    "yolo segment": (layouts.yolo_segment, "yolo-segment", "segment"),
    "yolo segment, end to end": (layouts.yolo_segment_end_to_end, "yolo-segment", "segment"),
    "yolo obb": (layouts.yolo_obb, "yolo-obb", "detect"),
    "yolo obb, nms": (layouts.yolo_obb_nms, "yolo-obb", "detect"),
    "yolo classify": (layouts.yolo_classify, "classify", "classify"),
    "rtdetr of Ultralytics": (layouts.rtdetr_ultralytics, "rtdetr", "detect"),
    "rtdetr of Ultralytics, rows": (layouts.rtdetr_rows, "rtdetr", "detect"),
    "rtdetr of transformers": (layouts.rtdetr_transformers, "rtdetr", "detect"),
    "rtdetr of its authors": (layouts.rtdetr_authors, "rtdetr", "detect"),
    "torchvision": (layouts.torchvision_detect, "torchvision-detect", "detect"),
    "torchvision by the alphabet": (lambda: layouts.torchvision_detect(("scores", "boxes", "labels")), "torchvision-detect", "detect"),
    "torchvision with masks": (lambda: layouts.torchvision_detect(masks=True), "torchvision-detect", "detect"),
    "classify": (layouts.classify, "classify", "classify"),
    "classify, softmax": (lambda: layouts.classify(last="Softmax"), "classify", "classify"),
    "keras": (layouts.keras, "classify", "classify"),
    "segment": (layouts.segment, "segment", "segment"),
    "segment with aux": (lambda: layouts.segment(aux=True), "segment", "segment"),
    "keras segment": (layouts.keras_segment, "segment", "segment"),
    "anomalib": (layouts.anomalib, "anomaly", "anomaly"),
    "anomalib, two at once": (lambda: layouts.anomalib(2), "anomaly", "anomaly"),
    "own": (layouts.own, "own", "detect"),
    "own classify": (lambda: layouts.own("classify"), "own", "classify"),
    "own segment": (lambda: layouts.own("segment"), "own", "segment"),
}  # fmt: skip


@pytest.mark.parametrize("which", RIGHT)
def test_an_export_is_told_by_its_family(tmp_path, which):
    """And a person who says the same changes nothing."""
    make, family, kind = RIGHT[which]
    file = written(tmp_path, make())
    found = recognise(file)
    assert (found.family, found.kind) == (family, kind)
    assert recognise(file, kind=kind) == found


@pytest.mark.parametrize("which", RIGHT)
def test_another_task_than_its_own_is_refused(tmp_path, which):
    make, _, kind = RIGHT[which]
    file = written(tmp_path, make())
    for other in {"detect", "classify", "segment", "anomaly"} - {kind}:
        with pytest.raises(ModelError, match=r"m\.onnx: "):
            recognise(file, kind=other)


def test_what_ultralytics_says_is_read(tmp_path):
    found = recognise(written(tmp_path, layouts.yolo()))
    assert found.program == "Ultralytics 8.4.190"
    assert (found.classes, found.count, found.pixels, found.stride_px) == (NAMES, None, UNIT, 32)
    assert (found.layout, found.channels, found.height_px, found.width_px, found.opset) == ("NCHW", 3, PX, PX, 17)


def test_weights_beside_the_file_change_nothing(tmp_path):
    whole = recognise(written(tmp_path, layouts.classify(), "whole.onnx"))
    assert recognise(beside(tmp_path, layouts.classify())) == whole


@pytest.mark.parametrize(("last", "needed"), [(None, "softmax"), ("Softmax", "none"), ("Sigmoid", "none")])
@pytest.mark.parametrize("make", [layouts.classify, layouts.segment])
def test_what_scores_still_need_is_seen(tmp_path, make, last, needed):
    assert recognise(written(tmp_path, make(last=last))).activation == needed


def test_a_mean_that_is_taken_off_inside_shows_the_pixels(tmp_path):
    assert recognise(written(tmp_path, layouts.anomalib())).pixels == UNIT
    assert recognise(written(tmp_path, layouts.classify())).pixels is None


@pytest.mark.parametrize("count", [COUNT - 1, COUNT + 1, 1])
def test_as_many_classes_as_it_has_or_a_refusal(tmp_path, count):
    """Whether the file names them, or only its outputs show how many there are."""
    names = tuple(f"c{each}" for each in range(count))
    for make in (layouts.yolo, layouts.classify, layouts.yolo_bare, layouts.yolov5, layouts.rtdetr_transformers):
        with pytest.raises(ModelError, match=rf"m\.onnx: .*--classes names {count}"):
            recognise(written(tmp_path, make()), classes=names)
    named = tuple(f"c{each}" for each in range(COUNT))
    assert recognise(written(tmp_path, layouts.yolo()), classes=named).classes == NAMES
