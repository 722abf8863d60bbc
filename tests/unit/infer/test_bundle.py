"""Opening a bundle."""

import hashlib
import json
import os
import threading

import cv2
import numpy as np
import onnx
import pytest

from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle

GRAY = np.arange(32 * 48, dtype=np.uint8).reshape(32, 48)


@pytest.fixture
def folder(tmp_path):
    """A bundle of one good and one bad golden part."""
    make_reference_bundle(tmp_path / "b", [GoldenPair(GRAY, GRAY, True), GoldenPair(255 - GRAY, GRAY, False)])
    return tmp_path / "b"


def edit(folder, change):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def test_a_bundle_is_known_by_the_hash_of_its_manifest(folder):
    """Which holds the hash of every other file."""
    bundle = load_bundle(folder)
    assert bundle.hash == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert bundle.manifest.classes == ("difference",)
    assert bundle.model_path("fp32") == folder / "reference.onnx"


def test_the_golden_parts_come_decoded_with_their_verdicts(folder):
    """(H, W, 1) uint8, as they were given."""
    good, bad = load_bundle(folder).golden()
    assert (good.name, good.passed, bad.passed) == ("golden000_test.png", True, False)
    assert np.array_equal(good.image, GRAY[..., None])
    assert np.array_equal(bad.image, 255 - GRAY[..., None])
    assert np.array_equal(bad.template, GRAY[..., None])


def test_colour_comes_as_bgr(tmp_path):
    """(H, W, 3), in the camera's order."""
    colour = np.dstack((GRAY, 255 - GRAY, GRAY // 2))
    make_reference_bundle(tmp_path, [GoldenPair(colour, colour, True)], channels=3)
    (part,) = load_bundle(tmp_path).golden()
    assert np.array_equal(part.image, colour)


def test_a_precision_that_the_bundle_does_not_have_is_refused(folder):
    """With those that there are."""
    with pytest.raises(ModelError, match=r"manifest\.json: there is no model of precision int8 \(there: fp32\)"):
        load_bundle(folder).model_path("int8")


@pytest.mark.parametrize("name", ["reference.onnx", "golden001_test.png", "golden000_temp.png"])
def test_a_file_that_was_changed_is_refused_by_name(folder, name):
    """One bit is enough."""
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)
    with pytest.raises(ModelError, match=rf"{name}: has SHA-256 .* copy the bundle again"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["manifest.json", "reference.onnx", "golden001_test.png"])
def test_a_file_that_is_missing_is_refused_by_name(folder, name):
    """And what to do about it."""
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}: cannot be read: No such file or directory; \w+"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["manifest.json", "reference.onnx", "golden000_test.png"])
def test_a_pipe_of_that_name_is_refused_at_once(folder, name):
    """Nobody waits for whoever writes into it."""
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused = []

    def load():
        with pytest.raises(ModelError) as error:
            load_bundle(folder)
        refused.append(str(error.value))

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    thread.join(5.0)
    assert refused and f"{name}: is not a regular file" in refused[0]


def test_a_folder_that_is_none_is_refused(tmp_path):
    """A recipe that names a file, or nothing."""
    with pytest.raises(ModelError, match="cannot be read"):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m.pop("classes"), "classes: Field required"),
        (lambda m: m.update(extra=1), "extra: Extra inputs"),
        (lambda m: m.update(version=3), "version: Input should be 1 or 2"),
        (lambda m: m.update(classes=["a", "a"]), "not all different"),
        (lambda m: m.update(classes=["*"]), "one is `\\*`"),
        (lambda m: m.update(models={}), "models: Dictionary should have at least 1"),
        (lambda m: m["models"]["fp32"].update(sha256="AB"), r"models\.fp32\.sha256"),
        (lambda m: m.update(golden_limits=[{"name": "short"}]), r"golden_limits.name: \['short'\]"),
        (lambda m: m["golden"][0].update(template=None), "go together"),
        (lambda m: m.update(has_template=False), "golden.template: has_template is false"),
        (lambda m: m["models"].update(bf16={**m["models"]["fp32"], "sha256": "0" * 64}), "models.bf16: names fp32's file"),
        (lambda m: m["models"].update(bf16={**m["models"]["fp32"], "file": "bf16.onnx"}), "models.bf16: names fp32's file"),
        (lambda m: m.update(models={"bf16": m["models"]["fp32"]}), "models.bf16: names fp32's file"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(folder, change, problem):
    """Naming file and key."""
    edit(folder, change)
    with pytest.raises(ModelError, match=rf"manifest\.json: .*{problem}.*prepare the bundle again"):
        load_bundle(folder)


def test_a_manifest_that_is_no_json_is_refused(folder):
    """Cut off in the middle."""
    file = folder / "manifest.json"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ModelError, match=r"manifest\.json: .*Invalid JSON"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/hostname", "sub/../../outside.onnx", "link.onnx", "a\0b"])
def test_a_path_that_leads_out_of_the_bundle_is_refused(folder, name):
    """Also by a link, also where the hash is right."""
    outside = folder.parent / "outside.onnx"
    outside.write_bytes(b"model")
    (folder / "link.onnx").symlink_to(outside)
    sha256 = hashlib.sha256(b"model").hexdigest()
    edit(folder, lambda m: m["models"].update(fp32={"file": name, "sha256": sha256}))
    with pytest.raises(ModelError, match="is not inside the bundle"):
        load_bundle(folder)


def test_a_path_in_a_folder_of_the_bundle_is_good(folder):
    """Sub-folders are."""
    (folder / "sub").mkdir()
    (folder / "reference.onnx").rename(folder / "sub" / "reference.onnx")
    edit(folder, lambda m: m["models"]["fp32"].update(file="sub/reference.onnx"))
    assert load_bundle(folder).model_path("fp32").is_file()


def replace(folder, name, raw):
    (folder / name).write_bytes(raw)
    key = "template_sha256" if name.endswith("_temp.png") else "sha256"
    edit(folder, lambda m: m["golden"][0].update({key: hashlib.sha256(raw).hexdigest()}))


@pytest.mark.parametrize("raw", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50])
def test_a_golden_image_that_is_none_is_refused_by_name(folder, raw):
    """Though its hash is right."""
    replace(folder, "golden000_test.png", raw)
    with pytest.raises(ModelError, match=r"golden000_test\.png: is "):
        list(load_bundle(folder).golden())


def test_a_template_of_another_size_is_refused_by_name(folder):
    """Than its part."""
    replace(folder, "golden000_temp.png", cv2.imencode(".png", GRAY[:16])[1].tobytes())
    with pytest.raises(ModelError, match=r"golden000_temp\.png: is \(16, 48, 1\), its part golden000_test\.png"):
        list(load_bundle(folder).golden())


def test_a_golden_image_that_the_model_cannot_take_is_refused(folder):
    """Its size is no multiple of the stride."""
    edit(folder, lambda m: m.update(stride_px=32))
    with pytest.raises(ModelError, match=r"golden000_test\.png: frames are 48 x 32 px, .* multiples of 32"):
        list(load_bundle(folder).golden())


def replace_model(folder, raw):
    """Other bytes under the model's name, with their own hash in the manifest."""
    (folder / "reference.onnx").write_bytes(raw)
    edit(folder, lambda m: m["models"]["fp32"].update(sha256=hashlib.sha256(raw).hexdigest()))


@pytest.mark.parametrize("share", [1.0, 1.3])
def test_a_model_with_its_weights_in_a_file_beside_it_is_refused(folder, share):
    """No hash covers them: 30 % more of each weight was the same bundle. As they were made, they are refused, too."""
    model = onnx.load(folder / "reference.onnx")
    weights = [onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(item), item.name) for item in model.graph.initializer]
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)
    onnx.save(model, folder / "far.onnx", save_as_external_data=True, location="far.data", size_threshold=0)
    numbers = np.fromfile(folder / "far.data", np.uint8)
    (folder / "far.data").write_bytes((numbers * share).astype(np.uint8).tobytes())
    replace_model(folder, (folder / "far.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"reference\.onnx: keeps \d+ weights in a file beside it .*save it as one file"):
        load_bundle(folder)


def test_a_model_that_is_none_is_refused_by_name(folder):
    """Though its hash is right."""
    replace_model(folder, b"no model")
    with pytest.raises(ModelError, match=r"reference\.onnx: is no ONNX model"):
        load_bundle(folder)


def test_a_golden_image_that_was_changed_after_the_check_is_refused(folder):
    """What is decoded is what was hashed: the file may be another by then."""
    bundle = load_bundle(folder)
    (folder / "golden000_test.png").write_bytes(cv2.imencode(".png", 255 - GRAY)[1].tobytes())
    with pytest.raises(ModelError, match=r"golden000_test\.png: has SHA-256 .* changed or damaged"):
        list(bundle.golden())
