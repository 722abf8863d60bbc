"""Files of a training run: written beside and renamed, so that a crash leaves the last good one."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import torch

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.model import Detector, Shape

FORMAT: Final = 1


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step.

    Raises:
        BoardsError: the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as e:
        raise BoardsError(f"{path}: cannot be written: {e.strerror}") from e


def write_json(path: Path, content: object) -> None:
    """Write readable JSON in one step."""
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())


def save(path: Path, detector: Detector, **state: Any) -> None:
    """Write weights, the shape they fit, and whatever else `load` shall return."""
    shape = detector.shape
    content = {
        "format": FORMAT,
        "shape": asdict(shape),
        "weights": detector.state_dict(),
        **state,
    }
    raw = io.BytesIO()
    torch.save(content, raw)
    write_whole(path, raw.getvalue())


def load(path: Path) -> tuple[Detector, dict[str, Any]]:
    """Read a checkpoint: the detector on the CPU, and its state.

    Raises:
        BoardsError: missing, damaged, or of another program or version.
    """
    try:
        # Tensors and plain values only: a checkpoint must not be able to run code.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as e:
        raise BoardsError(f"{path}: cannot be read: {e.strerror}") from e
    except Exception as e:
        # torch raises half a dozen unrelated types on a damaged file.
        raise BoardsError(f"{path}: is not a checkpoint: {e}") from e
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise BoardsError(f"{path}: is not a checkpoint of format {FORMAT}")
    said = content["shape"]
    shape = Shape(tuple(said["widths"]), tuple(said["depths"]), said["neck"])
    # Checkpoints of before there were other parts say neither; `Shape` has what they were for.
    if "classes" in said:
        shape = replace(shape, classes=tuple(said["classes"]), template=said["template"])
    detector = Detector(shape)
    detector.load_state_dict(content["weights"])
    return detector, content
