"""Keras: a classifier that takes NHWC, exported by tf2onnx."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from tools.models.answers import Arrays, Told
from tools.models.boards import GOOD
from tools.models.rows import Row
from tools.models.theirs import torch_train
from tools.models.theirs.frames import Asked, files_of, frames_of

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
_EPOCHS: Final = 1000
_OPSET: Final = 15


def train(row: Row, asked: Asked) -> Path:
    """Train the row's network for `asked.minutes`, on the CPU; the file of Keras."""
    import keras  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    frames, labels = torch_train.class_frames(asked.boards)
    given = keras.Input((asked.size_px, asked.size_px, 3))
    last: Any = given
    last = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(last)
    for filters in (16, 32, 48):
        last = keras.layers.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(last)
        last = keras.layers.BatchNormalization(momentum=0.8)(last)
        last = keras.layers.ReLU()(last)
    last = keras.layers.GlobalMaxPooling2D()(last)
    model = keras.Model(given, keras.layers.Dense(len(torch_train.LABELS), activation="softmax")(last))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    end_ns = time.monotonic_ns() + asked.minutes * 60e9

    class Until(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not checked
        """Stops when the time is over."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.monotonic_ns() >= end_ns:
                self.model.stop_training = True

    rgb = np.ascontiguousarray(frames[..., ::-1]).astype(np.float32)
    model.fit(rgb, labels, batch_size=asked.batch, epochs=_EPOCHS, verbose=0, callbacks=[Until()])
    weights = asked.runs / f"{row.trained}.keras"
    model.save(str(weights))
    return weights


def answer(row: Row, asked: Asked, weights: Path, folder: Path) -> tuple[Told, Arrays]:
    """Export by tf2onnx, and tell what Keras itself says."""
    import keras  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415
    import tf2onnx  # noqa: PLC0415

    model = keras.models.load_model(str(weights))
    folder.mkdir(parents=True, exist_ok=True)
    saved = asked.runs / row.trained
    model.export(str(saved), verbose=False)
    words = ["--saved-model", str(saved), "--output", str(folder / "model.onnx"), "--opset", str(_OPSET)]
    subprocess.run([sys.executable, "-m", "tf2onnx.convert", *words], check=True)
    told = Told(row.name, list(torch_train.LABELS), [GOOD], 0.5, None, asked.size_px)
    told.smooth = True
    told.versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "tf2onnx": tf2onnx.__version__}
    # Its first layer makes of 0 to 255 what it wants; the file says neither.
    told.pixels = {"scale": 1.0, "mean": (), "deviation": ()}
    frames = frames_of(asked.boards / "one" / "exact")
    scores = model.predict(np.ascontiguousarray(frames[..., ::-1]).astype(np.float32), verbose=0)
    files = files_of(asked.boards, asked.boards / "one", "square")
    worst = []
    for name in files:
        sizes = (asked.size_px, asked.size_px)
        picture = keras.utils.load_img(str(asked.boards / name), target_size=sizes, interpolation="bilinear")
        worst.append(1.0 - float(model.predict(keras.utils.img_to_array(picture)[None], verbose=0)[0, 0]))
    return told, {"frames": frames, "scores": scores, "files": np.array(files), "worst": np.array(worst)}
