"""aoi_daemon/engine/bundle/renew.py, and bf16 in `bundle make` and `qualify`: a precision without a file of its own."""

import hashlib
import json

import pytest

from aoi_daemon.engine.qualify import backend
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.openvino import executor as openvino_executor
from tests.unit.engine.qualify.test_backend import real_bf16


class Stand(OnnxExecutor):
    """OpenVINO in bf16 on a machine that has it: the tests run on any."""

    def __init__(self, file, manifest, shape, *, precision, threads):
        assert precision == "bf16"
        super().__init__(file, manifest, threads=threads)
        self.name = f"openvino cpu, bf16, {threads} threads, {file.name}"


class Blind(Stand):
    """bf16 in which nothing scores any more."""

    def infer(self, image, template, deadline_ns):
        found = super().infer(image, template, deadline_ns)
        return found._replace(scores=found.scores * 0)


@pytest.fixture
def capable(monkeypatch):
    """This CPU has bf16."""
    monkeypatch.setattr(backend, "not_here", lambda *_: "")
    monkeypatch.setattr(openvino_executor, "OpenVinoExecutor", Stand)


@pytest.fixture
def blind(capable, monkeypatch):
    """It has, and loses everything by it."""
    monkeypatch.setattr(openvino_executor, "OpenVinoExecutor", Blind)


@pytest.fixture
def incapable(monkeypatch):
    """This CPU has none."""
    monkeypatch.setattr(backend, "not_here", lambda *_: "this CPU has no bf16")


def report_of(folder):
    raw = (folder / "report.json").read_bytes()
    assert load_bundle(folder).manifest.qualification.report_sha256 == hashlib.sha256(raw).hexdigest()
    return json.loads(raw)


class TestMake:
    @pytest.mark.usefixtures("capable")
    def test_bf16_is_judged_and_kept_as_the_file_of_fp32(self, make, tmp_path):
        code, out, _ = make("--precisions", "fp32,bf16", calibration=None)
        folder = tmp_path / "out" / "demo"
        assert code == 0
        assert "bf16" in out
        manifest = load_bundle(folder).manifest
        assert manifest.models["bf16"] == manifest.models["fp32"]
        assert manifest.qualification.models["bf16"].bad_boards == manifest.qualification.models["fp32"].bad_boards
        assert [file.name for file in folder.glob("*.onnx")] == ["fp32.onnx"]
        assert report_of(folder)["precisions"]["bf16"]["executor"].startswith("openvino")
        page = (folder / "report.html").read_text()
        assert "<b>bf16</b>" in page
        assert "openvino cpu, bf16, 1 threads" in page

    @pytest.mark.usefixtures("incapable")
    def test_without_it_the_bundle_is_made_and_the_reason_said(self, make, tmp_path):
        code, out, _ = make()
        assert code == 0
        assert "bf16 left out: this CPU has no bf16" in out
        manifest = load_bundle(tmp_path / "out" / "demo").manifest
        assert set(manifest.models) == {"fp32", "fp16", "int8"}
        assert manifest.qualification.refused == {"bf16": "this CPU has no bf16"}

    @pytest.mark.usefixtures("incapable")
    def test_by_name_it_refuses_the_bundle(self, make, tmp_path):
        code, _, err = make("--precisions", "fp32,bf16", calibration=None)
        assert code == 1
        assert "bf16 is refused: this CPU has no bf16; leave it out: --precisions fp32" in err
        assert list((tmp_path / "out").iterdir()) == []

    @real_bf16
    def test_openvino_itself_keeps_up_with_the_toy(self, make, tmp_path):
        code, out, _ = make("--precisions", "fp32,bf16", calibration=None)
        assert code == 0, out
        assert "bf16" in load_bundle(tmp_path / "out" / "demo").manifest.models


class TestQualify:
    @pytest.mark.long
    @pytest.mark.usefixtures("capable")
    def test_a_bundle_that_was_made_without_bf16_is_asked_by_its_name(self, command, bundle, many_boards, tmp_path):
        code, out, _ = command(
            "qualify", "--bundle", bundle, "--boards", many_boards, "--precision", "bf16", "--threads", 1,
            "--json", tmp_path / "r.json",
        )  # fmt: skip
        assert code == 0, out
        assert "bf16: qualified" in out
        assert json.loads((tmp_path / "r.json").read_text())["precisions"]["bf16"]["executor"].startswith("openvino")

    @pytest.mark.usefixtures("incapable")
    def test_by_name_on_a_cpu_without_it_is_refused(self, command, bundle, boards):
        code, out, err = command("qualify", "--bundle", bundle, "--boards", boards, "--precision", "bf16")
        assert (code, out) == (2, "")
        assert "--precision bf16: this CPU has no bf16" in err

    def test_a_cpu_without_it_judges_the_others_and_says_so(self, command, bundle, boards, tmp_path, monkeypatch):
        both = with_bf16(bundle)
        monkeypatch.setattr(backend, "not_here", lambda *_: "this CPU has no bf16")
        code, out, _ = command(
            "qualify", "--bundle", both, "--boards", boards, "--threads", 1, "--limit", 10, "--report", tmp_path / "r.html",
        )  # fmt: skip
        assert code == 3
        assert "bf16 not judged: this CPU has no bf16" in out
        assert "bf16</b> not judged" in (tmp_path / "r.html").read_text()
        code, out, _ = command("bundle", "verify", both, "--threads", 1)
        assert code == 0
        assert "bf16 is not run: this CPU has no bf16" in out
        assert "(fp32, fp16, int8)" in out

    @pytest.mark.usefixtures("blind")
    def test_verify_runs_the_golden_parts_in_bf16(self, command, bundle):
        code, _, err = command("bundle", "verify", with_bf16(bundle), "--threads", 1)
        assert code == 1
        assert "bf16: golden/" in err
        assert "fp32: golden/" not in err


def with_bf16(folder):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["models"]["bf16"] = manifest["models"]["fp32"]
    file.write_text(json.dumps(manifest))
    return folder


class TestRenew:
    @pytest.fixture
    def renew(self, command, bundle, boards, tmp_path):
        def call(*more):
            return command(
                "bundle", "renew", bundle, "--qualification", boards, "--out", tmp_path / "new", "--threads", 1, *more
            )

        return call

    @pytest.mark.usefixtures("capable")
    def test_models_and_golden_parts_stay_and_bf16_comes(self, renew, bundle, tmp_path):
        code, out, err = renew()
        assert (code, err) == (0, "")
        assert "bf16" in out
        old, new = load_bundle(bundle).manifest, load_bundle(tmp_path / "new").manifest
        assert new.models == {**old.models, "bf16": old.models["fp32"]}
        assert (new.golden, new.golden_limits, new.calibration) == (old.golden, old.golden_limits, old.calibration)
        kept = {precision: new.qualification.models[precision] for precision in old.qualification.models}
        assert kept == dict(old.qualification.models)
        assert new.provenance.command == (
            f"{old.provenance.command}; then: aoi-daemon bundle renew --qualification boards --threads 1"
        )
        before, after = report_of_old(bundle), report_of(tmp_path / "new")
        assert after["recommended"] == before["recommended"]
        assert after["verdicts"].keys() == before["verdicts"].keys()
        assert (tmp_path / "new" / "limits.toml").read_text() == (bundle / "limits.toml").read_text()

    @pytest.mark.usefixtures("capable")
    def test_a_second_time_gives_the_same_manifest_but_for_the_reports_hash(self, renew, command, boards, tmp_path):
        assert renew("--precisions", "fp32")[0] == 0
        again = tmp_path / "again"
        words = ("--qualification", boards, "--out", again, "--threads", 1, "--precisions", "fp32")
        assert command("bundle", "renew", tmp_path / "new", *words)[0] == 0
        first, second = (json.loads((folder / "manifest.json").read_text()) for folder in (tmp_path / "new", again))
        for manifest in (first, second):
            manifest["qualification"].pop("report_sha256")
        assert first == second

    @pytest.mark.usefixtures("blind")
    def test_bf16_that_does_not_keep_up_is_left_out(self, renew, tmp_path):
        code, out, _ = renew()
        assert code == 0
        assert "bf16 left out: golden verdicts that do not hold: 12" in out
        # And the file, which is fp32's, stays.
        assert "bf16" not in load_bundle(tmp_path / "new").manifest.models

    @pytest.mark.usefixtures("incapable")
    def test_by_name_what_cannot_be_run_makes_nothing(self, renew, tmp_path):
        code, _, err = renew("--precisions", "fp32,bf16")
        assert code == 1
        assert "bf16 is refused: this CPU has no bf16" in err
        assert not (tmp_path / "new").exists()

    @pytest.mark.usefixtures("incapable")
    def test_a_precision_that_the_bundle_does_not_have_is_named(self, renew, bundle, tmp_path):
        file = bundle / "manifest.json"
        manifest = json.loads(file.read_text())
        del manifest["models"]["int8"]
        file.write_text(json.dumps(manifest))
        code, _, err = renew("--precisions", "fp32,int8")
        assert code == 2
        assert "has no int8 (there: fp32, fp16)" in err
        assert not (tmp_path / "new").exists()

    def test_a_report_that_was_changed_is_not_carried_on(self, renew, bundle, tmp_path):
        (bundle / "report.json").write_text("{}")
        code, _, err = renew()
        assert code == 2
        assert "report.json: has SHA-256" in err
        assert not (tmp_path / "new").exists()

    @pytest.mark.usefixtures("incapable")
    def test_a_bundle_without_its_report_is_judged_all_the_same(self, renew, bundle, tmp_path):
        (bundle / "report.json").unlink()
        code, _, err = renew("--precisions", "fp32")
        assert (code, err) == (0, "")
        assert report_of(tmp_path / "new")["recommended"]["classes"] == {}


def report_of_old(folder):
    """Of a bundle whose manifest was changed by the test."""
    return json.loads((folder / "report.json").read_text())
