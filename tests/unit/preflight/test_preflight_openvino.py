"""`inspection.backend = "openvino"`: what can be known before anything starts, and what only the line's PC can tell."""

import hashlib
import importlib.util

import pytest

from aoi_daemon import preflight
from aoi_daemon.cli import main
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.reference import make_reference_bundle
from aoi_daemon.errors import ConfigError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.openvino.blobs import FOLDER

LINE = """
[[cameras]]
kind = "replay"
source = "."
[inspection]
backend = "openvino"
"""
RECIPE = 'id = 1\nname = "demo"\nbundle = "../bundle"\nwidth_px = 64\nheight_px = 64\n'

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="needs the package openvino")


@pytest.fixture
def line(tmp_path):
    """A line whose bundle is the reference; `keys` are added to [inspection]."""
    make_reference_bundle(tmp_path / "bundle")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "demo.toml").write_text(RECIPE)

    def make(keys=""):
        (tmp_path / "line.toml").write_text(LINE + keys)
        (tmp_path / "board.png").touch()
        return tmp_path / "line.toml"

    return make


def with_bf16(folder):
    file = folder / "manifest.json"
    said = Manifest.model_validate_json(file.read_bytes()).model_dump(mode="json")
    said["models"]["bf16"] = said["models"]["fp32"]
    file.write_text(Manifest.model_validate(said).model_dump_json())


def test_where_the_package_is_missing_the_pip_line_is_said(line, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else object())
    with pytest.raises(ConfigError, match=r"inspection\.backend = 'openvino': needs the package openvino: pip install 'aoi-daemon\[openvino\]'"):
        preflight.check(line())


@needs_openvino
def test_a_line_that_fits_may_start_and_what_is_compiled_later_makes_no_other_product_of_it(line, tmp_path):
    """A changeover asks whether the files are the same: a blob beside the bundle is none of them."""
    configuration = preflight.check(line())
    preflight.open_models(configuration)
    assert preflight.not_checked(configuration) == []
    assert not (tmp_path / "bundle" / FOLDER).exists(), "a check writes nothing"
    (tmp_path / "bundle" / FOLDER).mkdir()
    (tmp_path / "bundle" / FOLDER / "fp32.cpu.64x64x1.blob").write_bytes(b"whatever")
    later = preflight.check(line())
    assert (later.material, later.judges) == (configuration.material, configuration.judges)


@needs_openvino
def test_a_precision_that_the_bundle_does_not_have_is_refused_with_how_to_get_it(line, tmp_path):
    with pytest.raises(ConfigError, match=r"demo\.toml: bundle = .*: has no bf16 \(inspection\.precision; there: fp32\); aoi-daemon bundle make --precisions fp32,bf16"):
        preflight.check(line('precision = "bf16"\n'))
    with_bf16(tmp_path / "bundle")
    assert preflight.check(line('precision = "bf16"\n')).line.inspection.precision == "bf16"
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.model_path("bf16") == bundle.model_path("fp32")


@needs_openvino
@pytest.mark.parametrize("device", ["gpu.7", "npu.7"])
def test_a_device_that_this_pc_lacks_is_a_note_of_the_command(line, capsys, device):
    """The configuration may be written in an office; on the line's PC the start names it."""
    file = line(f'device = "{device}"\n')
    assert main(["check-config", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert f"note: whether the line's PC runs fp32 was not checked, this one does not: inspection.device = '{device}'" in said


@needs_openvino
def test_a_model_that_openvino_does_not_take_is_refused_by_the_command(line, tmp_path, capsys):
    """What it says of itself is right, and is all that a reload looks at."""
    file = line()
    bundle = load_bundle(tmp_path / "bundle")
    model = bundle.model_path("fp32")
    raw = model.read_bytes()
    assert raw.count(b"ReduceMax") >= 1
    broken = raw.replace(b"ReduceMax", b"QeduceMax")
    model.write_bytes(broken)
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(hashlib.sha256(raw).hexdigest(), hashlib.sha256(broken).hexdigest()))
    assert main(["check-config", "--config", str(file)]) == 2
    said = capsys.readouterr().err
    assert "demo.toml: bundle = " in said and "OpenVINO does not take it" in said and "QeduceMax" in said
