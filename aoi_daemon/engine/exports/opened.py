"""An exported file's graph without its weights' numbers, where those lie beside it: enough to say what it is.

Process: offline. Blocks in reading the file. Needs the package `onnx`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx

from aoi_daemon.engine.exports.foreign import HEAD_BYTES, foreign
from aoi_daemon.engine.exports.gather import MAX_BYTES
from aoi_daemon.engine.precision.graph import Model
from aoi_daemon.errors import ModelError
from aoi_daemon.files.regular import NotRegularError, TooLargeError, read_regular
from aoi_daemon.infer.onnx.file import declared

_SIDE_CAR: Final = "copy it from where the model was exported into the same folder, under that name"


def open_export(file: Path) -> Model:
    """Read the graph of `file`.

    Raises:
        ModelError: it cannot be read, is no ONNX model, is damaged, or a file with its weights is not there; says
            what to do.
    """
    raw = _read(file)
    try:
        declared(raw)  # names a truncated message more plainly than protobuf does
        model = onnx.load_model_from_string(raw)
    except Exception as error:  # protobuf's DecodeError has no public base
        other = foreign(raw[:HEAD_BYTES], file.name)
        why = f"is no ONNX model, or a damaged one ({error}): copy it again from where it was exported"
        raise ModelError(f"{file}: {other or why}") from error
    if not model.graph.node:
        other = foreign(raw[:HEAD_BYTES], file.name)
        raise ModelError(f"{file}: {other or 'is no ONNX model: it has no operators; export it again'}")
    _check_side_cars(model, file)
    return model


def _read(file: Path) -> bytes:
    try:
        raw = read_regular(file, MAX_BYTES)
    except NotRegularError as error:
        saved = " (a SavedModel: python -m tf2onnx.convert --saved-model DIR --opset 17 --output model.onnx)"
        hint = saved if (file / "saved_model.pb").exists() else ""
        raise ModelError(f"{file}: is {error.what}, not a file{hint}; name the exported .onnx file") from error
    except TooLargeError as error:
        raise ModelError(
            f"{file}: has {error.size_bytes / 2**20:.0f} MiB; an ONNX file has {MAX_BYTES / 2**20:.0f} MiB at most "
            "(protobuf's limit): train a smaller model of the same kind"
        ) from error
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{file}: is no name of a file") from error
    if not raw:
        raise ModelError(f"{file}: is empty: copy it again from where it was exported")
    return raw


def _check_side_cars(model: Model, file: Path) -> None:
    """Refuse a graph whose weights lie in a file that is not there, is shorter, or lies elsewhere."""
    needed: dict[str, int] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL and not tensor.external_data:
            continue
        said = {entry.key: entry.value for entry in tensor.external_data}
        try:
            end = int(said.get("offset", "0")) + int(said.get("length", "0"))
        except ValueError:
            raise ModelError(f"{file}: where weight {tensor.name} lies is no number; export it again") from None
        place = said.get("location", "")
        needed[place] = max(end, needed.get(place, 0))
    folder = file.parent.resolve()
    for place, size in needed.items():
        side = folder / place
        if not place or Path(place).is_absolute() or not side.resolve().is_relative_to(folder):
            raise ModelError(
                f"{file}: keeps weights in {place!r}; only files in its own folder are read: export it again, into "
                "one folder"
            )
        if not side.is_file():
            raise ModelError(f"{file}: keeps weights in {place}, which is not there; {_SIDE_CAR}")
        if side.stat().st_size < size:
            raise ModelError(
                f"{file}: needs {size} bytes of {place}, which has {side.stat().st_size}: it was not copied "
                f"completely, or belongs to another export; {_SIDE_CAR}"
            )
