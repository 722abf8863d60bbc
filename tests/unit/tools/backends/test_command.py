"""`tools/bench_backends` as a person calls it: the command line, a run of each mode, its files and exit codes."""

import json

import pytest

from aoi_daemon.engine.reference import make_reference_bundle
from tools.backends import __main__ as command
from tools.backends import executors
from tools.backends.arguments import QUICK, arguments

SMALL = ["--sizes", "160", "--runs", "6", "--seconds", "1", "--rounds", "2", "--no-witness", "--threads", "1"]


@pytest.fixture
def bundle(tmp_path):
    make_reference_bundle(tmp_path / "reference")
    return tmp_path / "reference"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bundle", "/nowhere"], "--bundle /nowhere: no such folder"),
        (["--cases", "onnx"], "'onnx': a back end of onnx, openvino, tensorrt, a colon, a precision"),
        (["--cases", "onnx:fp64"], "'onnx:fp64': a back end"),
        (["--sizes", "159"], "'159': 160 to 8192"),
        (["--seconds", "soon"], "'soon': 0.1 to 86400"),
        (["--takt-ms", "1"], "--takt-ms 1: 2 to 60000"),
        (["--json", "/nowhere/r.json"], "--json /nowhere/r.json: its folder does not exist"),
        (["--line", "--svg", "a.svg"], "--svg: there is a picture of the back ends alone"),
        (["--line", "--onnx-threads"], "not allowed with argument --line"),
    ],
)
def test_a_wrong_option_is_named_with_its_bound(capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        arguments(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_two_bundles_of_one_name_could_not_be_told_apart(tmp_path, capsys):
    for place in "ab":
        (tmp_path / place / "demo").mkdir(parents=True)
    with pytest.raises(SystemExit):
        arguments(["--bundle", str(tmp_path / "a" / "demo"), str(tmp_path / "b" / "demo")])
    assert "two are called demo" in capsys.readouterr().err


def test_quick_is_less_of_everything_and_cases_take_the_place_of_both_lists():
    found = arguments(["--quick", "--cases", "openvino:bf16", "onnx:fp32", "openvino:bf16"])
    assert {key: getattr(found, key) for key in QUICK} == QUICK
    assert found.pairs == [("openvino", "bf16"), ("onnx", "fp32")]


def test_a_run_measures_both_sides_and_writes_what_it_found(tmp_path, bundle, capsys):
    files = {kind: tmp_path / f"r.{kind}" for kind in ("json", "svg", "markdown")}
    words = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
    assert command.main(["--bundle", str(bundle), "--cases", "onnx:fp32", "onnx:int8", *SMALL, *words]) == 0
    report = json.loads(files["json"].read_text())
    assert (report["version"], report["kind"], report["complete"]) == (1, "executors", True)
    fp32, int8 = report["cases"]
    assert fp32["executor_ms"]["n"] == fp32["floor_ms"]["n"] == 6
    assert fp32["floor_ms"]["p50"] > 0 and fp32["executor_ms"]["p90"] is None
    assert fp32["rss_mib"] > 0 and fp32["open_s"]["warm"] > 0 and fp32["first_ms"] > 0
    assert int8["refused"] == "the bundle has no int8 (there: fp32, bf16)"
    assert files["svg"].read_text().startswith("<svg") and "| reference, top100 | 160 |" in files["markdown"].read_text()
    assert "the bundle has no int8" in capsys.readouterr().out
    assert not list(tmp_path.glob(".*"))


def test_where_nothing_can_be_measured_it_says_why_and_ends_with_2(bundle, capsys):
    assert command.main(["--bundle", str(bundle), "--cases", "onnx:int8", *SMALL]) == 2
    assert "the bundle has no int8" in capsys.readouterr().out


def test_a_folder_that_is_no_bundle_is_named(tmp_path, capsys):
    assert command.main(["--bundle", str(tmp_path), *SMALL]) == 2
    assert "manifest.json: cannot be read" in capsys.readouterr().err.replace("\n", "")


def test_ctrl_c_keeps_what_was_measured(tmp_path, bundle, monkeypatch):
    """In the second of two cases: the first has its figures, in the file too."""
    measured = []
    real = executors.measure_round

    def stopped(found, start, **more):
        if measured:
            raise KeyboardInterrupt
        measured.append(1)
        real(found, start, **more)

    monkeypatch.setattr(executors, "measure_round", stopped)
    words = ["--bundle", str(bundle), "--cases", "onnx:fp32", *SMALL, "--sizes", "160", "192"]
    assert command.main([*words, "--json", str(tmp_path / "r.json")]) == 130
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["complete"] is False
    assert sorted("refused" in case for case in report["cases"]) == [False, True]


@pytest.mark.long
def test_threads_and_spinning_are_measured_beside_two_that_only_sleep(tmp_path, bundle):
    words = ["--onnx-threads", "--bundle", str(bundle), "--seconds", "0.2", "--rounds", "1", "--takt-ms", "20"]
    assert command.main([*words, "--threads", "2", "--json", str(tmp_path / "t.json")]) == 0
    found = json.loads((tmp_path / "t.json").read_text())["variants"]
    assert [(each["threads"], each["spinning"], each["inter_op_threads"]) for each in found] == [
        (1, False, 1), (1, True, 1), (2, False, 1), (2, True, 1), (2, False, 2),
    ]  # fmt: skip
    for each in found:
        for mode in ("paced", "flat_out"):
            assert each[mode]["took_ms"]["p50"] > 0 and each[mode]["cpu_ms_per_part"] > 0
            assert each[mode]["plc_late_ms"]["n"] > 1 and each[mode]["ordinary_late_ms"]["n"] > 1
        assert each["paced"]["took_ms"]["n"] == 5
