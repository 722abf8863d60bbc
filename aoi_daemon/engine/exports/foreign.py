"""What a file is that is no ONNX model, by its first bytes, and how its program exports one. Pure."""

from __future__ import annotations

from typing import Final

HEAD_BYTES: Final = 4096
"""So many bytes are enough to tell."""

_ULTRALYTICS: Final = "yolo export model={name} format=onnx opset=17"
_TORCH: Final = (
    "export it where it was trained: of Ultralytics `" + _ULTRALYTICS + "`, of others "
    "torch.onnx.export(model.eval(), torch.zeros(1, 3, HEIGHT, WIDTH), 'model.onnx', opset_version=17, dynamo=False)"
)
_KERAS: Final = (
    "model.export('saved', format='tf_saved_model'), then python -m tf2onnx.convert --saved-model saved --opset 17 "
    "--output model.onnx"
)
_ENGINE: Final = (
    "engines are of one GPU and cannot be read back; export the model that it was built from: " + _ULTRALYTICS
)

_MAGIC: Final[tuple[tuple[int, bytes, str, str], ...]] = (
    (0, b"\x89HDF\r\n\x1a\n", "a Keras model in HDF5", _KERAS),
    (4, b"TFL3", "a TensorFlow Lite model", "export the model that it was made from: " + _KERAS),
    (0, b"ftrt", "a TensorRT engine", _ENGINE),
    (0, b"ptrt", "a TensorRT engine", _ENGINE),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself", "git lfs pull"),
    (0, b"\x1f\x8b", "compressed by gzip", "gunzip it first"),
    (0, b"Rar!", "an archive", "take the ONNX file out of it first"),
    (0, b"7z\xbc\xaf", "an archive", "take the ONNX file out of it first"),
    (0, b"\x80\x02", "a pickle of PyTorch", _TORCH),
    (0, b"\x80\x03", "a pickle", _TORCH),
    (0, b"\x80\x04", "a pickle", _TORCH),
    (0, b"\x80\x05", "a pickle", _TORCH),
    (0, b"\x89PNG", "a picture", "give the model"),
    (0, b"\xff\xd8\xff", "a picture", "give the model"),
)
"""Where, which bytes, what it is, what to do."""


def foreign(head: bytes, name: str) -> str:
    """What a file is and how to come to ONNX, as the end of a sentence; "": nothing that is known.

    Args:
        head: its first `HEAD_BYTES` bytes.
        name: the file's, for the command that is shown.
    """
    for at, magic, what, remedy in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return _said(what, remedy, name)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<") and b"html" in text[:200]:
        return _said("a web page", "download the file itself; a login or an error page was saved in its place", name)
    if text.startswith(b"<"):
        return _said(
            "an OpenVINO model",
            "bundles carry ONNX, which OpenVINO runs as well; export the model that it was converted from: "
            + _ULTRALYTICS,
            name,
        )
    if head.startswith(b"PK\x03\x04"):
        return _zipped(head, name)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**27:
        return _said("weights alone (safetensors), without their graph", _TORCH, name)
    if len(head) > 4 and head[4:5] == b"{" and int.from_bytes(head[:4], "little") < 2**20:
        # Ultralytics writes the length of its metadata and the metadata in front of an engine.
        return _said("a TensorRT engine of Ultralytics", _ENGINE, name)
    return ""


def _zipped(head: bytes, name: str) -> str:
    if b"data.pkl" in head or b".data/" in head or b"constants.pkl" in head:
        return _said("a checkpoint of PyTorch", _TORCH, name)
    if b"metadata.json" in head or b"config.json" in head:
        return _said("a Keras model", _KERAS, name)
    return _said("a zip archive", "take the ONNX file out of it; a .pt of PyTorch is exported first: " + _TORCH, name)


def _said(what: str, remedy: str, name: str) -> str:
    return f"is {what}, no ONNX model: {remedy.replace('{name}', name)}"
