"""Compiled models kept beside a bundle: what does not fit or is damaged is never handed back."""

import os

import pytest

from aoi_daemon.infer.openvino import blobs
from aoi_daemon.infer.openvino.blobs import FOLDER, MOST_KEPT, Key, drop_blob, folder_of, keep_blob, read_blob

KEY = Key(
    onnx_sha256="a" * 64, openvino="2026.4.1-1", device="CPU", machine="some CPU, FP32", precision="fp32",
    shape=(32, 48, 1), options={"INFERENCE_NUM_THREADS": "2"},
)  # fmt: skip
BLOB = bytes(range(64)) + b"\n{}\n"
OTHERS = {
    "onnx_sha256": "b" * 64, "openvino": "2026.4.1-2", "device": "GPU", "machine": "some CPU, BF16", "precision": "bf16",
    "shape": (32, 48, 3), "options": {"INFERENCE_NUM_THREADS": "3"},
}  # fmt: skip


def test_what_was_kept_is_read_back(tmp_path):
    assert read_blob(tmp_path / "new", KEY) == (None, "")
    assert keep_blob(tmp_path / "new", KEY, BLOB) == ""
    assert read_blob(tmp_path / "new", KEY) == (BLOB, "")
    drop_blob(tmp_path / "new", KEY)
    drop_blob(tmp_path / "new", KEY)
    assert read_blob(tmp_path / "new", KEY) == (None, "")


def test_a_blob_of_which_one_bit_is_another_is_refused_wherever_it_lies(tmp_path):
    """In the head as in the model itself, which OpenVINO would run."""
    keep_blob(tmp_path, KEY, BLOB)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            file.write_bytes(damaged)
            blob, why = read_blob(tmp_path, KEY)
            assert blob is None and str(file) in why, (place, bit)


@pytest.mark.parametrize("left", [0, 1, 30, 200, -1])
def test_a_blob_that_was_cut_off_or_goes_on_is_refused(tmp_path, left):
    keep_blob(tmp_path, KEY, BLOB)
    (file,) = tmp_path.iterdir()
    for content in (file.read_bytes()[:left], file.read_bytes() + b"\0"):
        file.write_bytes(content)
        assert read_blob(tmp_path, KEY)[0] is None


@pytest.mark.parametrize("name", Key.model_fields)
def test_a_blob_of_anything_else_is_refused_and_says_what_differs(tmp_path, name):
    """Also where its file has the name of the one that is asked for."""
    other = KEY.model_copy(update={name: OTHERS[name]})
    keep_blob(tmp_path, other, BLOB)
    (file,) = tmp_path.iterdir()
    file.rename(tmp_path / KEY.file_name)
    assert read_blob(tmp_path, KEY) == (None, f"{tmp_path / KEY.file_name}: is of another {name}")


def test_a_folder_that_cannot_be_written_to_is_done_without(tmp_path, monkeypatch):
    def read_only(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(blobs, "replace_file", read_only)
    said = keep_blob(tmp_path, KEY, BLOB)
    assert "Read-only file system" in said and str(tmp_path) in said and "each start" in said
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be kept" in keep_blob(tmp_path / "file", KEY, BLOB)
    assert read_blob(tmp_path / "file", KEY)[0] is None


def test_so_many_are_kept_and_the_oldest_goes(tmp_path):
    """A bundle that is judged in ever new sizes does not fill the disk; what is no blob stays."""
    (tmp_path / "notes.txt").write_text("somebody's")
    keys = [KEY.model_copy(update={"shape": (32, 16 * side, 1)}) for side in range(1, MOST_KEPT + 4)]
    for at, key in enumerate(keys):
        keep_blob(tmp_path, key, BLOB)
        os.utime(tmp_path / key.file_name, (at, at))
    keep_blob(tmp_path, KEY.model_copy(update={"precision": "int8"}), BLOB)
    assert len(list(tmp_path.glob("*.blob"))) == MOST_KEPT
    assert read_blob(tmp_path, keys[-1]) == (BLOB, "") and read_blob(tmp_path, keys[0]) == (None, "")
    assert (tmp_path / "notes.txt").exists()


@pytest.mark.parametrize("name", ["demo", "..", "."])
def test_where_the_bundle_cannot_be_written_to_the_service_s_cache_is(tmp_path, monkeypatch, name):
    """One folder for each bundle by name, inside the cache whatever the name."""
    monkeypatch.setenv("CACHE_DIRECTORY", f"{tmp_path / 'cache'}:/elsewhere")
    assert folder_of(tmp_path, name) == tmp_path / FOLDER
    monkeypatch.setattr(blobs.os, "access", lambda path, mode: False)
    found = folder_of(tmp_path, name)
    assert found.resolve().parent == tmp_path / "cache"
    assert keep_blob(found, KEY, BLOB) == "" and read_blob(found, KEY) == (BLOB, "")
    monkeypatch.delenv("CACHE_DIRECTORY")
    assert folder_of(tmp_path, name) == tmp_path / FOLDER
