"""Ultralytics' side, run by the interpreter that has it: nothing of this project is imported here.

`PYTHON theirs.py '{"kind": "export" or "predict", ...}'` speaks as tools/backends/turns.py says: one JSON object when
it is open, then an answer to each line of JSON.

export: `folder`, `pictures`, `size_px`, `seed`, `weights` (null: YOLOv8n with random weights). Writes `model.onnx` and
`model_openvino_model/` there by Ultralytics' own exporter; the answer says `classes` and `version`.
predict: `model`, `pictures` (a .npy of (n, H, W, 3) uint8, BGR), `size_px`, `conf`, `iou`. An order `{"picture": i}`
is answered by `ns`, `model_ns` (inside the runtime's own call; null where it was not seen), `speed` and `boxes`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# Before the import: no check for a newer version, no package installed, nothing sent.
os.environ |= {"YOLO_OFFLINE": "1", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
_WARM_UP_RUNS = 20
_UNSEEN = -20.0
_SELDOM = -4.0
_SPREAD = 0.06
_BOX_SPREAD = 0.1


def main() -> int:
    """Do what the command line says."""
    case = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the library prints is not an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        from ultralytics import YOLO, __version__, settings  # noqa: PLC0415

        settings.update({"sync": False})
    except ImportError as error:
        _say(out, {"refused": f"{sys.executable} has no ultralytics: {error}"})
        return 0
    if case["kind"] == "export":
        _say(out, _export(YOLO, case) | {"version": __version__})
        return 0
    spent: list[int] = []
    watch(spent)
    model = YOLO(case["model"], task="detect")
    _serve(out, case, model, spent)
    return 0


def _serve(out: Any, case: dict[str, Any], model: Any, spent: list[int]) -> None:
    import numpy as np  # noqa: PLC0415

    pictures = list(np.load(case["pictures"]))
    options = {"imgsz": case["size_px"], "conf": case["conf"], "iou": case["iou"], "device": "cpu", "verbose": False}
    for number in range(_WARM_UP_RUNS):
        model.predict(pictures[number % len(pictures)], **options)
    _say(out, {"name": f"YOLO({Path(case['model']).name}).predict"})
    for line in sys.stdin:
        picture = pictures[json.loads(line)["picture"]]
        spent.clear()
        start_ns = time.monotonic_ns()
        [result] = model.predict(picture, **options)
        took_ns = time.monotonic_ns() - start_ns
        model_ns = sum(spent) if spent else None
        _say(out, {"ns": took_ns, "model_ns": model_ns, "speed": result.speed, "boxes": len(result.boxes)})


def watch(spent: list[int]) -> None:
    """Add to `spent` how long each call of a runtime takes, ns."""
    for package, class_name, method in (
        ("onnxruntime", "InferenceSession", "run"),
        ("openvino", "InferRequest", "infer"),
    ):
        try:
            owner = getattr(__import__(package), class_name)
        except ImportError:
            continue
        setattr(owner, method, _timed(getattr(owner, method), spent))


def _timed(call: Any, spent: list[int]) -> Any:
    def timed(*given: Any, **named: Any) -> Any:
        start_ns = time.monotonic_ns()
        try:
            return call(*given, **named)
        finally:
            spent.append(time.monotonic_ns() - start_ns)

    return timed


def _export(yolo: Any, case: dict[str, Any]) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    torch.manual_seed(case["seed"])
    folder = Path(case["folder"])
    model = yolo(case["weights"] or "yolov8n.yaml")
    if case["weights"] is None:
        _make_it_see(torch, model.model, case["pictures"])
    # The exporter writes beside the weights' file.
    named = folder / "model.pt"
    model.save(str(named))
    model = yolo(str(named))
    found: dict[str, Any] = {"classes": [model.names[key] for key in sorted(model.names)]}
    for kind, options in (("onnx", {"opset": 17, "simplify": False}), ("openvino", {})):
        try:
            found[kind] = str(model.export(format=kind, imgsz=case["size_px"], batch=1, device="cpu", **options))
        except Exception as error:  # noqa: BLE001  # the exporter's errors have no base of their own
            found[kind], found[f"{kind}_failed"] = None, f"{type(error).__name__}: {error}"
    return found


def _make_it_see(torch: Any, network: Any, pictures: str) -> None:
    """Random weights score everything alike, so that a threshold would take all or nothing, and numbers vanish.

    The pictures' own statistics keep them from vanishing, as training would. Only the finest level of the head is made
    to see: its boxes are small, and lie in the frame.
    """
    import numpy as np  # noqa: PLC0415

    frames = torch.from_numpy(np.load(pictures)).permute(0, 3, 1, 2).flip(1).float() / 255
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean over all that it is shown
    network.train()
    with torch.no_grad():
        for frame in frames.split(4):
            network(frame)
    network.eval()
    for boxes in network.model[-1].cv2:
        torch.nn.init.normal_(boxes[-1].weight, std=_BOX_SPREAD)
        # Alike in all levels, they would be one tensor in the exported file, as no trained ones are.
        torch.nn.init.normal_(boxes[-1].bias, mean=1.0, std=_BOX_SPREAD)
    for level, branch in enumerate(network.model[-1].cv3):
        torch.nn.init.normal_(branch[-1].weight, std=_SPREAD)
        torch.nn.init.constant_(branch[-1].bias, _UNSEEN if level else _SELDOM)


def _say(out: Any, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
