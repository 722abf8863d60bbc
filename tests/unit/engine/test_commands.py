"""The commands as a person runs them: what is made, what is refused, and that nothing half-done is left."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.engine.precision import choice as choosing
from aoi_daemon.engine.precision import variants
from aoi_daemon.engine.precision.graph import Graph
from aoi_daemon.engine.precision.lint import lint_quantised
from aoi_daemon.infer.bundle import load_bundle
from tests.unit.engine.toy_detector import insert_before, toy_model, write_boards

ROOT = Path(__file__).parents[3]


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


class TestMake:
    def test_a_bundle_holds_all_that_proves_it(self, made):
        bundle = load_bundle(made)
        manifest = bundle.manifest
        assert left_in(made.parent) == ["demo"]
        assert left_in(made) == [
            "fp16.onnx", "fp32.onnx", "golden", "int8.onnx", "limits.toml", "manifest.json", "report.html", "report.json",
        ]  # fmt: skip
        assert set(manifest.models) == {"fp32", "fp16", "int8"}
        assert (manifest.stride_px, manifest.channels, manifest.has_template) == (16, 1, True)
        assert len(manifest.golden) == 24
        assert sum(part.passed for part in manifest.golden) == 12
        assert [limit.name for limit in manifest.golden_limits] == ["bright", "dark"]
        qualification = manifest.qualification
        assert (qualification.boards, qualification.sizes[0].width_px) == (60, 96)
        assert qualification.models["fp32"].escapes == 0
        report = made / "report.json"
        assert qualification.report_sha256 == hashlib.sha256(report.read_bytes()).hexdigest()
        assert manifest.calibration.frames == 6
        assert "--calibration-frames 6" in manifest.provenance.command
        assert lint_quantised(onnx.load(made / "int8.onnx")) == []

    def test_a_service_may_read_it(self, made):
        umask = os.umask(0)
        os.umask(umask)
        assert made.stat().st_mode & 0o777 == 0o777 & ~umask

    def test_it_tells_no_path_of_the_machine_that_made_it(self, made, boards):
        for file in ("manifest.json", "report.json", "report.html", "limits.toml"):
            text = (made / file).read_text()
            assert str(made.parent) not in text
            assert str(boards.parent) not in text

    def test_the_method_that_moves_the_fewest_boxes_is_kept(self, made):
        report = json.loads((made / "report.json").read_text())
        calibration = load_bundle(made).manifest.calibration
        tried = report["int8"]["methods"]
        assert set(tried) == {"max", "percentile-99.999", "percentile", "entropy"}
        boxes = tried["max"]["boxes"]
        ranks = {
            name: (row["flips"], max((row["lost"] + row["extra"]) / boxes, 0.004), row["score_rms"])
            for name, row in tried.items()
        }
        assert ranks[calibration.method] == min(ranks.values()) < max(ranks.values())
        assert report["notes"][f"int8 by {calibration.method}"].endswith("; kept")
        kept = tried[calibration.method]
        assert calibration.loss == pytest.approx((kept["lost"] + kept["extra"]) / boxes, abs=1e-6)

    @pytest.mark.long
    def test_what_int8_is_chosen_on_is_not_what_it_is_measured_on(self, make, boards, many_boards, tmp_path):
        code, _, error = make(validation=many_boards, precisions="fp32,int8")
        assert code == 0, error
        report = json.loads((tmp_path / "out" / "demo" / "report.json").read_text())
        assert (report["int8"]["boards"], report["boards"]["count"]) == (100, 60)

    @pytest.mark.long
    def test_what_each_layer_costs_is_in_the_report_where_it_is_asked_for(self, make, tmp_path):
        code, _, error = make("--int8-sensitivity", "always", precisions="fp32,int8")
        assert code == 0, error
        out = tmp_path / "out" / "demo"
        found = json.loads((out / "report.json").read_text())["int8"]["sensitivity"]
        layers = [name for block in found["blocks"] for name in block["layers"]]
        quantised = {node.name for node in Graph(onnx.load(out / "fp32.onnx")).quantizable()}
        assert (len(layers), set(layers)) == (len(quantised), quantised)
        assert sorted(block["rank"] for block in found["blocks"]) == list(range(1, len(found["blocks"]) + 1))
        assert (out / "report.html").read_text().count('aria-label="change of scores"') == len(found["blocks"])
        assert left_in(out) == ["fp32.onnx", "golden", "int8.onnx", "limits.toml", "manifest.json", "report.html",
                                "report.json"]  # fmt: skip

    @pytest.mark.long
    def test_layers_that_lose_too_much_stay_in_float_and_the_manifest_says_why(self, make, tmp_path, monkeypatch):
        # What `eight` reads gets a range so wide that all of it is the level 0.
        real = choosing.quantise

        def spoilt(model, ranges, frame, kept_float=()):
            ranges = ranges if "eight" in kept_float else {**ranges, "joined_r": 1000.0}
            return real(model, ranges, frame, kept_float)

        monkeypatch.setattr(choosing, "quantise", spoilt)
        monkeypatch.setattr(variants, "quantise", spoilt)
        code, _, error = make(precisions="fp32,int8")
        assert code == 0, error
        folder = tmp_path / "out" / "demo"
        calibration = load_bundle(folder).manifest.calibration
        (kept,) = calibration.kept_float
        assert "eight" in kept.layers
        assert calibration.loss <= 0.004
        assert re.fullmatch(r"quantised alone: \d+ of \d+ boxes lost, .*; with it and worse ones in float: 0 of .*", kept.why)
        model = onnx.load(folder / "int8.onnx")
        graph = Graph(model)
        assert lint_quantised(model, kept.layers) == []
        weight = next(node for node in graph.convolutions if node.name == "eight").input[1]
        assert graph.constant(weight) is not None

    def test_the_snippet_is_a_recipes(self, made):
        tomllib = pytest.importorskip("tomllib")
        limits = tomllib.loads((made / "limits.toml").read_text())["limits"]
        assert tuple(ClassLimit(**limit) for limit in limits) == load_bundle(made).manifest.golden_limits

    def test_fp32_alone_needs_no_calibration(self, make, tmp_path):
        code, out, _ = make("--precisions", "fp32", calibration=None)
        assert code == 0
        assert "fp32" in out
        assert set(load_bundle(tmp_path / "out" / "demo").manifest.models) == {"fp32"}

    def test_int8_without_calibration_is_said(self, make, tmp_path):
        code, _, err = make(calibration=None)
        assert code == 2
        assert "int8 needs --calibration DIR" in err
        assert left_in(tmp_path / "out") == []

    def test_a_folder_that_exists_is_not_touched(self, make, tmp_path):
        (tmp_path / "out" / "demo").mkdir(parents=True)
        code, _, err = make()
        assert code == 2
        assert "exists already" in err
        assert left_in(tmp_path / "out" / "demo") == []

    def test_an_out_in_no_folder_is_refused(self, make, tmp_path):
        code, _, err = make(out=tmp_path / "no" / "such" / "demo")
        assert code == 2
        assert f"does not exist; mkdir -p {tmp_path / 'no' / 'such'}" in err


class TestRefusal:
    """INT8 is spoilt by ranges a hundred times too small: its scores keep their order, so mAP alone would not tell."""

    @pytest.fixture(autouse=True)
    def spoilt(self, monkeypatch):
        real = variants.calibrate

        def calibrate(*args, **kwargs):
            found = real(*args, **kwargs)
            return {m: {name: reach / 100 for name, reach in ranges.items()} for m, ranges in found.items()}

        monkeypatch.setattr(variants, "calibrate", calibrate)

    @pytest.mark.long
    def test_one_that_was_asked_for_refuses_the_bundle_by_name_and_figures(self, make, tmp_path):
        code, _, err = make("--precisions", "fp32,int8")
        assert code == 1
        assert "toy.onnx: int8 is refused: golden verdicts that do not hold: 12 (b0" in err
        assert "leave it out: --precisions fp32" in err
        assert left_in(tmp_path / "out") == []

    def test_else_it_is_left_out_and_said_so(self, make, tmp_path):
        code, out, _ = make()
        assert code == 0
        assert "int8 left out: golden verdicts that do not hold: 12" in out
        folder = tmp_path / "out" / "demo"
        manifest = load_bundle(folder).manifest
        assert set(manifest.models) - {"bf16"} == {"fp32", "fp16"}
        assert manifest.qualification.refused["int8"].startswith("golden verdicts that do not hold")
        assert manifest.calibration is None
        assert "int8.onnx" not in left_in(folder)
        assert not [file for file in left_in(folder) if file.startswith("int8")]
        assert "LEFT OUT" in (folder / "report.html").read_text()


def no_boards(folder):
    return folder / "nowhere"


def all_empty(folder):
    write_boards(folder, 6, seed=1)
    for file in folder.glob("*.txt"):
        file.write_text("")
    return folder


def with_label(line):
    def spoil(folder):
        write_boards(folder, 6, seed=1)
        (folder / "b001.txt").write_text(line)
        return folder

    return spoil


def odd_size(folder):
    return write_boards(folder, 6, seed=1, size_px=104)


def no_image(folder):
    write_boards(folder, 6, seed=1)
    # The header still tells a size; the pixels are gone.
    raw = (folder / "b001_test.png").read_bytes()
    (folder / "b001_test.png").write_bytes(raw[:60])
    return folder


@pytest.mark.parametrize("role", ["qualification", "golden", "validation"])
@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (no_boards, "no such folder"),
        (all_empty, "all 6 label files are empty"),
        (with_label("1 2 3\n"), "b001.txt:1:6: the line has 3 numbers, not the five"),
        (with_label("0 0 97 96 1\n"), "b001.txt:1:5: box 0 0 97 96 is not inside the image of 96x96 px"),
        (with_label("0 0 20 20 3\n"), "b001.txt:1:11: class 3, allowed are 1 to 2"),
        (odd_size, "needs multiples of 16"),
        (no_image, "b001_test.png: is a PNG that is cut short"),
    ],
)
def test_a_wrong_folder_is_one_clear_error_and_leaves_nothing(make, tmp_path, role, spoil, what):
    code, out, err = make(**{role: spoil(tmp_path / "boards")})
    assert (code, out) == (2, "")
    assert what in err
    assert err.count("\n") == 1
    assert left_in(tmp_path / "out") == []


def renamed_input(model):
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == "template":
                node.input[i] = "golden"
    model.graph.input[1].name = "golden"


def float_input(model):
    model.graph.input[0].type.tensor_type.elem_type = 1


def five_channels(model):
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 5


def renamed_output(model):
    model.graph.output[1].name = model.graph.node[-1].output[0] + "_scores"
    for node in model.graph.node:
        for i, name in enumerate(node.output):
            if name == "scores":
                node.output[i] = model.graph.output[1].name
        for i, name in enumerate(node.input):
            if name == "scores":
                node.input[i] = model.graph.output[1].name


def more_classes(model):
    # As if trained on three classes: the class index is one too high.
    model.graph.initializer.append(numpy_helper.from_array(np.int32(1), "one_more"))
    node = next(n for n in model.graph.node if n.output[0] == "classes")
    node.output[0] = "classes_before"
    for other in model.graph.node:
        for i, name in enumerate(other.input):
            if name == "classes":
                other.input[i] = "classes_before"
    model.graph.node.append(onnx.helper.make_node("Add", ["classes_before", "one_more"], ["classes"]))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (renamed_input, "inputs are image, golden; expected image, or image and template"),
        (float_input, "input is image float32 [1, any, any, 1]; expected image uint8"),
        (five_channels, "input image has no 1 or 3 channels"),
        (renamed_output, "expected boxes float32 [1, 100, 4], scores float32 [1, 100], classes int32 [1, 100]"),
        (more_classes, "the model gave classes 1 to 2, the bundle has 0 to 1"),
    ],
)
def test_a_model_of_another_contract_is_one_clear_error_and_leaves_nothing(make, tmp_path, change, what):
    model = toy_model()
    change(model)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    code, out, err = make(model=tmp_path / "m.onnx")
    assert (code, out) == (2, "")
    assert what in err
    assert left_in(tmp_path / "out") == []


def test_a_corrupt_onnx_is_one_clear_error_and_leaves_nothing(make, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"\x00" * 1000)
    code, _, err = make(model=tmp_path / "m.onnx")
    assert code == 2
    assert "m.onnx: is not an ONNX model (1000 bytes)" in err
    assert left_in(tmp_path / "out") == []


@pytest.mark.parametrize("at", ["try_model", "try_fp16", "try_int8"])
def test_ctrl_c_leaves_nothing(make, tmp_path, monkeypatch, at):
    def interrupt(*_, **__):
        assert len(left_in(tmp_path / "out")) == 1  # it is in the middle of it
        raise KeyboardInterrupt

    monkeypatch.setattr(variants.Bench, at, interrupt)
    code, out, err = make()
    assert (code, out) == (130, "")
    assert "interrupted, nothing was written" in err
    assert left_in(tmp_path / "out") == []


def test_a_full_disk_leaves_nothing(make, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aoi_daemon.engine.bundle.make.page", full)
    code, _, err = make()
    assert code == 1
    assert "No space left on device" in err
    assert left_in(tmp_path / "out") == []


def test_sigterm_leaves_nothing(tmp_path, toy, boards):
    """A real process, stopped by the signal that a service manager sends."""
    code = (
        "import argparse, os, signal, sys\n"
        "from aoi_daemon.engine.precision import variants\n"
        "from aoi_daemon.engine.commands import add_parsers, run\n"
        "variants.Bench.try_fp16 = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
        "parser = argparse.ArgumentParser()\n"
        "add_parsers(parser.add_subparsers(dest='command'))\n"
        "sys.exit(run(parser.parse_args(sys.argv[1:])))\n"
    )
    words = ["bundle", "make", "--model", toy, "--name", "x", "--classes", "bright,dark", "--qualification", boards,
             "--golden", boards, "--out", tmp_path / "x", "--precisions", "fp16", "--threads", "1"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], check=False, capture_output=True, text=True,
                          timeout=60, cwd=ROOT)  # fmt: skip
    assert (done.returncode, done.stdout) == (130, "")
    assert "interrupted" in done.stderr
    assert left_in(tmp_path) == []
    assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler


class TestVerifyAndShow:
    def test_a_finished_bundle_verifies(self, command, made):
        code, out, err = command("bundle", "verify", made, "--threads", "1")
        assert (code, err) == (0, "")
        assert "24 golden verdicts hold (fp32, fp16, int8)" in out

    @pytest.mark.parametrize("file", ["int8.onnx", "golden", "report.json"])
    def test_one_changed_byte_is_found_and_its_file_named(self, command, bundle, file):
        path = bundle / file
        if path.is_dir():
            path = sorted(path.iterdir())[0]
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
        code, out, err = command("bundle", "verify", bundle)
        assert (code, out) == (2, "")
        assert path.name in err
        assert "SHA-256" in err

    def test_a_missing_file_is_named(self, command, bundle):
        (bundle / "fp16.onnx").unlink()
        code, _, err = command("bundle", "verify", bundle)
        assert code == 2
        assert "fp16.onnx: cannot be read" in err

    def test_a_bundle_without_its_report_is_as_good(self, command, bundle):
        (bundle / "report.json").unlink()
        (bundle / "report.html").unlink()
        assert command("bundle", "verify", bundle, "--threads", "1")[0] == 0

    def test_a_golden_verdict_that_does_not_hold_is_named(self, command, bundle):
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["golden"][0]["passed"] = not manifest["golden"][0]["passed"]
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        code, out, err = command("bundle", "verify", bundle, "--threads", "1")
        assert (code, out) == (1, "")
        assert err.count(manifest["golden"][0]["image"]) == 3

    def test_a_golden_defect_that_is_found_elsewhere_is_named_with_its_boxes(self, command, bundle):
        manifest = json.loads((bundle / "manifest.json").read_text())
        assert manifest["version"] == 2 and "labels of" in manifest["provenance"]["boxes"]
        bad = next(part for part in manifest["golden"] if not part["passed"])
        bad["boxes"] = [[0, 0, 1, 1, "dark"]]
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        code, _, err = command("bundle", "verify", bundle, "--threads", "1")
        assert code == 1
        assert err.count(f"{bad['image']} must be REJECT with a defect in 0,0,1,1,dark and is not") == 3

    def test_a_bundle_of_version_1_is_shown_as_without_boxes(self, command, bundle):
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["version"] = 1
        for part in manifest["golden"]:
            del part["boxes"]
        del manifest["provenance"]["boxes"]
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        assert "12 REJECT, without boxes" in command("bundle", "show", bundle)[1]
        code, out, _ = command("bundle", "verify", bundle, "--threads", "1")
        assert code == 0 and "24 golden verdicts hold, without boxes (fp32, fp16, int8)" in out

    @pytest.mark.parametrize("action", ["verify", "show"])
    def test_no_bundle_is_an_error(self, command, tmp_path, action):
        code, out, err = command("bundle", action, tmp_path)
        assert (code, out) == (2, "")
        assert "manifest.json: cannot be read" in err

    def test_show_tells_what_it_is_and_what_it_reached(self, command, made):
        code, out, _ = command("bundle", "show", made)
        assert code == 0
        for words in (
            "demo",
            "bright, dark",
            "24 parts: 12 PASS, 12 REJECT\n",
            "0 of 40",
            "bundle make --model toy.onnx",
        ):
            assert words in out


class TestQualify:
    def test_it_writes_page_and_json(self, command, made, boards, tmp_path):
        code, out, err = command("qualify", "--bundle", made, "--boards", boards, "--threads", "1",
                                 "--report", tmp_path / "r.html", "--json", tmp_path / "r.json")  # fmt: skip
        # 20 of its 60 boards are good.
        assert (code, err) == (3, "")
        assert out.count("not shown, 30 more good (0 bad) boards") == 3
        assert "qualified" not in out
        assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
        assert json.loads((tmp_path / "r.json").read_text())["boards"]["count"] == 60
        assert left_in(tmp_path) == ["r.html", "r.json"]

    def test_one_precision_on_a_few_boards_is_held_against_fp32(self, command, made, boards, tmp_path):
        code, _, _ = command("qualify", "--bundle", made, "--boards", boards, "--precision", "int8", "--limit", "9",
                             "--json", tmp_path / "r.json", "--threads", "1")  # fmt: skip
        found = json.loads((tmp_path / "r.json").read_text())
        assert code == 3
        assert list(found["precisions"]) == ["fp32", "int8"]
        assert [of["standing"] for of in found["precisions"].values()] == ["reference", "not shown"]
        assert found["boards"]["count"] == 9

    def test_a_recipe_is_what_boards_are_judged_by(self, command, made, boards, tmp_path):
        recipe = tmp_path / "strict.toml"
        recipe.write_text(
            f'id = 1\nname = "strict"\nbundle = "{made}"\nwidth_px = 96\nheight_px = 96\n[[limits]]\nname = "*"\nscore = 1.0\n'
        )
        code, out, _ = command("qualify", "--bundle", made, "--boards", boards, "--recipe", recipe, "--threads", "1")
        assert code == 1
        assert "40 of 40" in out

    @pytest.mark.parametrize(("words", "code", "says"), [
        ([], 0, "fp32: qualified (allowed: 0.00 % escapes, 1.00 % false calls). Escapes: 0 of 100 (0.00 %, at most 2.95 % at 95 %)"),
        (["--limit", "60"], 3, "fp32: not shown, "),
    ])  # fmt: skip
    def test_enough_boards_without_a_mistake_are_qualified(self, command, made, many_boards, words, code, says):
        found, out, err = command("qualify", "--bundle", made, "--boards", many_boards, "--precision", "fp32",
                                  "--threads", "1", *words)  # fmt: skip
        assert (found, err) == (code, "")
        assert says in out

    def test_a_folder_of_good_boards_shows_nothing_of_escapes(self, command, made, tmp_path):
        folder = write_boards(tmp_path / "good", 60, seed=5, good_every=1)
        code, out, _ = command("qualify", "--bundle", made, "--boards", folder, "--precision", "fp32", "--threads", "1",
                               "--report", tmp_path / "r.html")  # fmt: skip
        assert code == 3
        assert "not shown, 0 more good (20 bad) boards" in out
        assert "Escapes: not measured (none there)" in out

    def test_the_bounds_are_what_is_asked_for(self, command, made, many_boards, tmp_path):
        recipe = tmp_path / "blind.toml"
        recipe.write_text(
            f'id = 1\nname = "blind"\nbundle = "{made}"\nwidth_px = 96\nheight_px = 96\n'
            '[[limits]]\nname = "dark"\nscore = 1.0\n'
        )
        words = ("qualify", "--recipe", recipe, "--boards", many_boards, "--precision", "fp32", "--threads", "1")
        assert command(*words)[0] == 1
        assert command(*words, "--max-escapes", "0.9")[0] == 0
        assert command(*words, "--max-escapes", "0.05")[0] == 1

    @pytest.mark.parametrize("words", [
        ["--max-escapes", "1"], ["--max-escapes", "-0.1"], ["--max-escapes", "nan"], ["--max-escapes", "1%"],
        ["--max-false-calls", "inf"], ["--max-false-calls", "five"], ["--fov", "-1"],
    ])  # fmt: skip
    def test_a_bound_that_is_no_rate_is_refused(self, command, made, boards, capsys, words):
        with pytest.raises(SystemExit) as stop:
            command("qualify", "--bundle", made, "--boards", boards, *words)
        assert stop.value.code == 2
        err = capsys.readouterr().err
        assert words[0] in err
        assert words[0] == "--fov" or "is no rate, 0 to below 1; 1 % is 0.01" in err

    def test_a_wrong_recipe_names_key_and_value(self, command, made, boards, tmp_path):
        (tmp_path / "r.toml").write_text('id = 0\nname = "x"\nbundle = "x"\nwidth_px = 96\nheight_px = 96\n')
        code, _, err = command("qualify", "--bundle", made, "--boards", boards, "--recipe", tmp_path / "r.toml")
        assert code == 2
        assert "id = 0" in err

    def test_a_changed_model_is_refused(self, command, bundle, boards):
        (bundle / "fp32.onnx").write_bytes(b"other")
        code, _, err = command("qualify", "--bundle", bundle, "--boards", boards)
        assert code == 2
        assert "fp32.onnx: has SHA-256" in err

    def test_a_precision_below_the_gate_is_named_and_the_exit_code_says_so(self, command, bundle, boards):
        # The manifest fits again, as after a careless hand: qualification still finds it.
        model = onnx.load(bundle / "int8.onnx")
        for item in model.graph.initializer:
            if item.name.endswith("_r_scale"):
                item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) / np.float32(100), item.name))
        (bundle / "int8.onnx").write_bytes(model.SerializeToString())
        manifest = json.loads((bundle / "manifest.json").read_text())
        manifest["models"]["int8"]["sha256"] = hashlib.sha256((bundle / "int8.onnx").read_bytes()).hexdigest()
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        code, out, _ = command("qualify", "--bundle", bundle, "--boards", boards, "--threads", "1")
        assert code == 1
        assert "int8: refused (mAP at IoU 0.5 is" in out

    def test_a_report_in_no_folder_is_refused_before_the_work(self, command, made, boards, tmp_path):
        code, _, err = command("qualify", "--bundle", made, "--boards", boards, "--report", tmp_path / "no" / "r.html")
        assert code == 2
        assert "does not exist" in err


def test_without_the_extra_make_says_what_to_install_and_the_rest_works(made, boards):
    """On a line PC there is no onnx and no rich: only `bundle make` needs them."""
    code = (
        "import sys, importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name in ('onnx', 'rich') else real(name, *a)\n"
        "sys.modules['onnx'] = sys.modules['rich'] = None\n"
        "import argparse\n"
        "from aoi_daemon.engine.commands import add_parsers, run\n"
        "def call(*words):\n"
        "    parser = argparse.ArgumentParser()\n"
        "    add_parsers(parser.add_subparsers(dest='command'))\n"
        "    return run(parser.parse_args(words))\n"
        f"made, boards = {str(made)!r}, {str(boards)!r}\n"
        "assert call('bundle', 'make', '--model', 'x', '--name', 'x', '--classes', 'x', '--qualification', boards,\n"
        "            '--golden', boards, '--out', 'x') == 2\n"
        "assert call('bundle', 'show', made) == 0\n"
        "assert call('bundle', 'verify', made) == 0\n"
        "assert call('qualify', '--bundle', made, '--boards', boards, '--limit', '3') == 3\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "this needs onnx, rich: pip install 'aoi-daemon[engine]'" in done.stderr


def test_the_help_has_examples(command, capsys):
    for words in (["bundle", "--help"], ["bundle", "make", "--help"], ["qualify", "--help"]):
        with pytest.raises(SystemExit) as stop:
            command(*words)
        assert stop.value.code == 0
        assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--name", "has space"],
        ["--classes", "a,a"],
        ["--precisions", "fp32,fp8"],
        ["--golden-count", "23"],
        ["--least-score", "1"],
    ],
)
def test_a_wrong_word_is_refused_by_the_command_line(make, capsys, words):
    with pytest.raises(SystemExit) as stop:
        make(*words)
    assert stop.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_colour_boards_make_a_bundle_of_their_own(command, tmp_path, toy):
    """A model of three channels reads and writes golden parts in colour."""
    model = toy_model()
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[3].dim_value = 3
    mean = [onnx.helper.make_node("ReduceMean", [f"{k}_planes_all"], [f"{k}_planes"], axes=[1], keepdims=1, name=f"{k}_mean")
            for k in ("image", "template")]  # fmt: skip
    for node in model.graph.node:
        if node.output[0] in ("image_planes", "template_planes"):
            node.output[0] += "_all"
    insert_before(model, "image_scaled", *mean)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    folder = write_boards(tmp_path / "boards", 45, seed=4)
    for file in folder.glob("*.png"):
        cv2.imwrite(str(file), cv2.cvtColor(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2BGR))
    code, _, err = command(
        "bundle", "make", "--model", tmp_path / "m.onnx", "--name", "colour", "--classes", "bright,dark",
        "--qualification", folder, "--golden", folder, "--out", tmp_path / "colour", "--precisions", "fp16",
        "--threads", "1",
    )  # fmt: skip
    assert (code, err) == (0, "")
    bundle = load_bundle(tmp_path / "colour")
    assert bundle.manifest.channels == 3
    assert {part.image.shape for part in bundle.golden()} == {(96, 96, 3)}


def test_a_copied_bundle_is_the_same_bundle(made, tmp_path):
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    assert load_bundle(copy).hash == load_bundle(made).hash


def one_input_model() -> onnx.ModelProto:
    """The toy detector against a constant template: its only input is the frame."""
    model = toy_model()
    del model.graph.input[1]
    order = [node for node in model.graph.node if node.output[0] not in ("template_float", "template_planes")]
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(np.float32(114), "gray")]
    )
    at = next(i for i, node in enumerate(order) if node.name == "template_scaled")
    order[at:at] = [
        onnx.helper.make_node("Mul", ["image_planes", "zero"], ["nothing"], name="nothing"),
        onnx.helper.make_node("Add", ["nothing", "gray"], ["template_planes"], name="constant_template"),
    ]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in order]
    del model.graph.node[:]
    model.graph.node.extend(copies)
    return model


def test_a_model_without_a_template_makes_a_bundle_without_templates(make, tmp_path):
    (tmp_path / "m.onnx").write_bytes(one_input_model().SerializeToString())
    code, _, err = make(model=tmp_path / "m.onnx")
    assert (code, err) == (0, "")
    bundle = load_bundle(tmp_path / "out" / "demo")
    assert bundle.manifest.has_template is False
    assert all(part.template is None for part in bundle.manifest.golden)
    assert set(bundle.manifest.models) >= {"fp32", "fp16"}


def test_a_model_of_one_size_names_the_frame_that_it_does_not_take(make, tmp_path):
    (tmp_path / "m.onnx").write_bytes(toy_model(size_px=(128, 96)).SerializeToString())
    code, out, err = make(model=tmp_path / "m.onnx")
    assert (code, out) == (2, "")
    assert "b000_test.png: " in err
    assert "is 96 x 96 px, the model takes 96 x 128 px alone: export it for the frames' size" in err
    assert err.count("\n") == 1
    assert left_in(tmp_path / "out") == []
