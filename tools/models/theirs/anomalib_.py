"""anomalib: models that have seen good boards alone, exported with their threshold and normalisation."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np

from tools.models.answers import Arrays, Told
from tools.models.rows import Row
from tools.models.theirs.frames import Asked, files_of, frames_of

_CLASS: Final = "anomaly"
_SEED: Final = 0


def train(row: Row, asked: Asked) -> Path:
    """Fit the row's model; its checkpoint. No backbone is fetched: its weights are drawn by lot."""
    from anomalib.data import Folder  # noqa: PLC0415
    from anomalib.engine import Engine  # noqa: PLC0415
    from lightning import seed_everything  # noqa: PLC0415

    seed_everything(_SEED)
    logging.disable(logging.WARNING)
    parts = asked.boards / "parts"
    data = Folder(
        name="boards", root=parts, normal_dir="good", abnormal_dir="bad", mask_dir="masks", train_batch_size=8,
        eval_batch_size=8, num_workers=asked.workers,
    )  # fmt: skip
    folder = asked.runs / row.trained
    shutil.rmtree(folder, ignore_errors=True)
    kind = "gpu" if asked.device == "cuda" else "cpu"
    engine = Engine(accelerator=kind, devices=1, max_epochs=1, logger=False, default_root_dir=str(folder))
    model = _model(row, asked.size_px)
    engine.fit(model, datamodule=data)
    engine.test(model, datamodule=data)
    weights = folder / "model.ckpt"
    engine.trainer.save_checkpoint(str(weights))
    return weights


def answer(row: Row, asked: Asked, weights: Path, folder: Path) -> tuple[Told, Arrays]:
    """Export by anomalib itself, and tell what its exported model and its own `predict` say."""
    import anomalib  # noqa: PLC0415
    import onnxruntime as ort  # noqa: PLC0415
    import torch  # noqa: PLC0415
    from anomalib.data import PredictDataset  # noqa: PLC0415
    from anomalib.engine import Engine  # noqa: PLC0415

    logging.disable(logging.WARNING)
    model = _model(row, asked.size_px).__class__.load_from_checkpoint(str(weights), weights_only=False).cpu().eval()
    told = Told(row.name, [_CLASS], [], 0.5, None, asked.size_px)
    told.smooth = True
    told.versions = {"anomalib": anomalib.__version__, "torch": torch.__version__}
    folder.mkdir(parents=True, exist_ok=True)
    file = Path(model.to_onnx(folder, "model", input_size=(asked.size_px,) * 2, opset_version=row.opset))
    for each in file.parent.glob("model.onnx*"):  # the weights may lie beside it
        shutil.move(each, folder / each.name)
    frames = frames_of(asked.boards / "test" / "exact")[::2]
    session = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    [given] = session.get_inputs()
    # PatchCore comes out fixed at two pictures: it is shown the frame twice, and its first answer counts.
    at_once = given.shape[0] if isinstance(given.shape[0], int) else 1
    maps, masks, scores = [], [], []
    for frame in frames:
        tensor = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1)[None]).astype(np.float32) / 255
        answers = session.run(None, {given.name: np.repeat(tensor, at_once, axis=0)})
        found = {name: answer[:1] for name, answer in zip(names, answers, strict=True)}
        maps.append(found["anomaly_map"].reshape(1, *found["anomaly_map"].shape[-2:]))
        masks.append(found["pred_mask"].reshape(maps[-1].shape).astype(np.uint8))
        scores.append(float(np.ravel(found["pred_score"])[0]))
    files = files_of(asked.boards, asked.boards / "test", "square")
    engine = Engine(
        accelerator="cpu", devices=1, logger=False, default_root_dir=str(asked.runs / row.trained / "predict")
    )
    worst: dict[str, float] = {}
    for part in ("exact", "square"):
        batches: Any = engine.predict(
            model, dataset=PredictDataset(asked.boards / "test" / part, image_size=(asked.size_px,) * 2)
        )
        for batch in batches:
            for path, score in zip(batch.image_path, batch.pred_score, strict=True):
                worst[str(Path(path).relative_to(asked.boards))] = float(score)
    return told, {
        "frames": frames, "maps": np.stack(maps), "masks": np.stack(masks), "scores": np.array(scores),
        "files": np.array(files),
        "worst": np.array([worst[name] for name in files]),
    }  # fmt: skip


def _model(row: Row, size_px: int) -> Any:
    from anomalib.models import Padim, Patchcore  # noqa: PLC0415

    kind = Padim if row.model == "padim" else Patchcore
    options: dict[str, Any] = {"n_features": 30} if row.model == "padim" else {"coreset_sampling_ratio": 0.01}
    ready = kind.configure_pre_processor(image_size=(size_px, size_px))
    return kind(backbone="resnet18", layers=["layer1", "layer2"], pre_trained=False, pre_processor=ready, **options)
