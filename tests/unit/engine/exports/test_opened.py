"""What cannot be read, or is no ONNX model, is refused with what it is and what to do."""

import json
import os
import zipfile

import pytest

from aoi_daemon.engine.exports import opened
from aoi_daemon.engine.exports.recognise import recognise
from aoi_daemon.errors import ModelError
from tests.unit.engine.exports import layouts
from tests.unit.engine.exports.layouts import beside, written


def refused(file, *words):
    with pytest.raises(ModelError) as error:
        recognise(file)
    assert str(error.value).startswith(f"{file}: ")
    for word in words:
        assert word in str(error.value)


def zipped(file, *names):
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.read_bytes()


FOREIGN = {
    "best.pt": (("archive/data.pkl", "archive/data/0"), "checkpoint of PyTorch", "yolo export model=best.pt format=onnx"),
    "old.pt": (b"\x80\x02\x8a\nl\xfc\x9cF", "pickle of PyTorch", "torch.onnx.export"),
    "best.torchscript": (("best/constants.pkl",), "checkpoint of PyTorch", "torch.onnx.export"),
    "best.engine": (b"ftrt\0\0\0\0", "TensorRT engine", "export the model that it was built from"),
    "ultralytics.engine": (b"\x40\x01\0\0" + json.dumps({"task": "detect"}).encode(), "TensorRT engine of Ultralytics", "of one GPU"),
    "best.tflite": (b"\x1c\0\0\0TFL3", "TensorFlow Lite", "tf2onnx"),
    "best.h5": (b"\x89HDF\r\n\x1a\n\0", "Keras model in HDF5", "tf2onnx"),
    "best.keras": (("metadata.json", "config.json"), "Keras model", "tf2onnx"),
    "best.xml": (b'<?xml version="1.0"?>\n<net name="m" version="11">', "OpenVINO model", "bundles carry ONNX"),
    "bom.xml": (b'\xef\xbb\xbf<net name="m">', "OpenVINO model", "bundles carry ONNX"),
    "best.safetensors": ((80).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}', "safetensors", "torch.onnx.export"),
    "pointer.onnx": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer", "git lfs pull"),
    "login.onnx": (b"\n<!DOCTYPE html><html>", "web page", "download the file itself"),
    "best.onnx.gz": (b"\x1f\x8b\x08\0", "compressed by gzip", "gunzip"),
    "best.zip": (("best.onnx",), "zip archive", "take the ONNX file out"),
    "picture.png": (b"\x89PNG\r\n\x1a\n", "picture", "give the model"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_onnx_is_named_with_how_to_export_it(tmp_path, name):
    inside, *words = FOREIGN[name]
    file = tmp_path / name
    if isinstance(inside, bytes):
        file.write_bytes(inside)
    else:
        zipped(file, *inside)
    refused(file, *words, "no ONNX model")
    file.rename(tmp_path / "renamed.onnx")  # by what is in it, not by its name
    refused(tmp_path / "renamed.onnx", words[0])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path, share):
    raw = layouts.yolo().SerializeToString()
    refused(written(tmp_path, raw[: int(len(raw) * share)]), "copy it again" if share else "is empty")


def test_bytes_of_nothing_are_refused(tmp_path):
    refused(written(tmp_path, b"\0" * 4096), "is no ONNX model")
    refused(written(tmp_path, b"no model at all"), "is no ONNX model")


def test_what_is_no_file_is_refused_at_once(tmp_path):
    """A pipe, above all, is not waited for."""
    refused(tmp_path, "is a folder")
    (tmp_path / "saved_model.pb").write_bytes(b"")
    refused(tmp_path, "SavedModel", "tf2onnx.convert")
    os.mkfifo(tmp_path / "pipe.onnx")
    refused(tmp_path / "pipe.onnx", "a pipe or device")
    refused(tmp_path / "gone.onnx", "cannot be read")


def test_a_huge_file_is_not_read(tmp_path):
    file = tmp_path / "huge.onnx"
    with file.open("wb") as made:
        made.truncate(opened.MAX_BYTES + 1)
    refused(file, "MiB at most", "train a smaller model")


def test_weights_that_are_not_there_are_named(tmp_path):
    file = beside(tmp_path, layouts.classify())
    side = tmp_path / "m.onnx.data"
    whole = side.read_bytes()
    side.write_bytes(whole[:-1])
    refused(file, "m.onnx.data", "was not copied completely")
    side.unlink()
    refused(file, "keeps weights in m.onnx.data, which is not there", "copy it from where the model was exported")
    side.write_bytes(whole)
    recognise(file)


@pytest.mark.parametrize("place", ["../m.data", "/etc/passwd", "", "inner/../../m.data"])
def test_weights_elsewhere_are_not_looked_for(tmp_path, place):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "m.data").write_bytes(b"\0" * 100_000)
    model = layouts.classify()
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", place
    refused(written(folder, model), "only files in its own folder are read")
