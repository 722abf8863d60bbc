"""The rows of the table: which model, how it is exported, what is compared of it.

Pure; read by both sides.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["boxes", "labels", "maps"]
Program = Literal["ultralytics", "torchvision", "timm", "anomalib", "keras"]

NEEDED: Final[dict[Kind, int]] = {"boxes": 100, "labels": 50, "maps": 50}
"""So many are compared at least, or the row shows nothing."""


class Row(NamedTuple):
    """One row.

    Attributes:
        name: of its folder, and for --rows.
        title: in the table.
        program: that trains, exports and answers.
        model: as the program names it; rows of one model share the training.
        kind: what is compared.
        export: ultralytics: `raw`, `nms`, `end2end`; others: what their adapter says.
        task: as the program names it.
        opset: of the export.
    """

    name: str
    title: str
    program: Program
    model: str
    kind: Kind
    export: str = "raw"
    task: str = "detect"
    opset: int = 17

    @property
    def trained(self) -> str:
        """The name of the training that this row shares with others."""
        return f"{self.program}-{self.model.removesuffix('.yaml')}"


def _yolo(  # a table is read by columns
    model: str, title: str, export: str = "raw", task: str = "detect", kind: Kind = "boxes", *, opset: int = 17
) -> Row:
    names = {"raw": "raw heads", "nms": "nms=True", "end2end": "end to end"}
    words = "" if task == "classify" else f", {names[export]}"
    suffix = "" if export == "raw" else f"-{export}"
    return Row(f"{model}{suffix}", f"{title}{words}", "ultralytics", f"{model}.yaml", kind, export, task, opset)


ROWS: Final = (
    _yolo("yolov5n", "Ultralytics v5u detect", opset=12),
    _yolo("yolov8n", "Ultralytics v8 detect", opset=13),
    _yolo("yolov8n", "Ultralytics v8 detect", "nms"),
    _yolo("yolov9t", "Ultralytics v9 detect", opset=18),
    _yolo("yolov10n", "Ultralytics v10 detect"),
    _yolo("yolov10n", "Ultralytics v10 detect", "end2end"),
    _yolo("yolo11n", "Ultralytics 11 detect"),
    _yolo("yolo11n", "Ultralytics 11 detect", "nms"),
    _yolo("yolo12n", "Ultralytics 12 detect", opset=19),
    _yolo("yolo26n", "Ultralytics 26 detect"),
    _yolo("yolo26n", "Ultralytics 26 detect", "nms"),
    _yolo("yolo26n", "Ultralytics 26 detect", "end2end"),
    _yolo("yolov8n-seg", "Ultralytics v8 segment", task="segment", kind="maps"),
    _yolo("yolo11n-seg", "Ultralytics 11 segment", task="segment", kind="maps"),
    _yolo("yolo11n-seg", "Ultralytics 11 segment", "nms", task="segment", kind="maps"),
    _yolo("yolo26n-seg", "Ultralytics 26 segment", task="segment", kind="maps"),
    _yolo("yolo26n-seg", "Ultralytics 26 segment", "end2end", task="segment", kind="maps"),
    _yolo("yolov8n-cls", "Ultralytics v8 classify", task="classify", kind="labels"),
    _yolo("yolo11n-cls", "Ultralytics 11 classify", task="classify", kind="labels"),
    _yolo("yolo26n-cls", "Ultralytics 26 classify", task="classify", kind="labels"),
    _yolo("yolov8n-obb", "Ultralytics v8 OBB", task="obb"),
    _yolo("yolo11n-obb", "Ultralytics 11 OBB", task="obb"),
    _yolo("yolo26n-obb", "Ultralytics 26 OBB", task="obb"),
    _yolo("yolo26n-obb", "Ultralytics 26 OBB", "end2end", task="obb"),
    Row("rtdetr", "RT-DETR (Ultralytics)", "ultralytics", "rtdetr-resnet50.yaml", "boxes", "raw", "detect", 17),
    Row("fasterrcnn", "torchvision Faster R-CNN, small backbone", "torchvision", "fasterrcnn", "boxes"),
    Row("retinanet", "torchvision RetinaNet, small backbone", "torchvision", "retinanet", "boxes"),
    Row("ssd", "torchvision SSD, small backbone", "torchvision", "ssd", "boxes"),
    Row("resnet18", "torchvision ResNet-18", "torchvision", "resnet18", "labels", "dynamic", "classify"),
    Row("lraspp", "torchvision LR-ASPP, MobileNetV3", "torchvision", "lraspp", "maps", "raw", "segment"),
    Row("timm-mobilenetv3", "timm MobileNetV3 small", "timm", "mobilenetv3_small_050", "labels", "raw", "classify"),
    Row("timm-resnet10", "timm ResNet-10t, side-car", "timm", "resnet10t", "labels", "dynamo", "classify", 18),
    Row("padim", "anomalib PaDiM", "anomalib", "padim", "maps", "raw", "anomaly", 18),
    Row("patchcore", "anomalib PatchCore", "anomalib", "patchcore", "maps", "raw", "anomaly", 18),
    Row("keras-classify", "Keras by tf2onnx, NHWC", "keras", "classify", "labels", "raw", "classify"),
)  # fmt: skip
