"""What commands open where line.toml leaves it open, and what check-config says."""

import pytest

from aoi_daemon.config.load import load
from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.views import views_of
from aoi_daemon.errors import ConfigError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.inspection.auto import told
from aoi_daemon.inspection.auto.candidates import Machine
from aoi_daemon.inspection.auto.choice import Candidate, Row, Table
from aoi_daemon.inspection.auto.machine import key
from aoi_daemon.inspection.auto.memory import Memory
from aoi_daemon.inspection.auto.told import definite, measured, tried
from tests.unit.supervisor.conftest import ROOT

AUTO = InspectionSection(backend="auto", precision="auto")


@pytest.fixture(scope="module")
def shipped():
    found = load(ROOT / "config" / "line.toml")
    return found, load_bundle(found.recipe.bundle)


@pytest.fixture
def ask(shipped, tmp_path):
    """What a command opens for a section; the line keeps what it measured in a folder of the test's."""
    configuration, bundle = shipped
    supervisor = configuration.line.supervisor.model_copy(update={"state_folder": tmp_path})
    line = configuration.line.model_copy(update={"supervisor": supervisor})
    return lambda section: definite(line, section, bundle, configuration.recipe, "demo")


def keep(shipped, folder, table):
    configuration, bundle = shipped
    Memory(folder / f"aoi-daemon-{configuration.line.line.name}.engines", None).keep(
        key(bundle, AUTO, (640, 640, 1)), "", table
    )


INT8 = Row(name="openvino int8", candidate=Candidate(backend="openvino", precision="int8"), p95_ms=5.0)


def test_a_back_end_that_is_named_is_opened_as_it_is(ask):
    section = InspectionSection(backend="openvino", precision="int8")
    assert ask(section) == (section, "")


def test_with_nothing_remembered_the_reference_is_opened_and_said(ask):
    section, said = ask(AUTO)
    assert (section.backend, section.precision) == ("onnx", "fp32")
    assert said.startswith("inspection.backend = 'auto': onnx fp32, the reference")


def test_what_the_line_has_measured_is_opened_and_said(shipped, ask, tmp_path):
    keep(shipped, tmp_path, Table(rows=(INT8,)))
    section, said = ask(AUTO)
    assert (section.backend, section.precision) == ("openvino", "int8")
    assert "openvino int8, which the line on this PC measured as the fastest" in said


def test_what_was_measured_beside_a_running_line_is_not_taken(shipped, ask, tmp_path):
    keep(shipped, tmp_path, Table(rows=(INT8,), run="a"))
    assert ask(AUTO)[0].backend == "onnx"


def test_a_file_that_cannot_be_read_is_named(ask, tmp_path, shipped):
    file = tmp_path / f"aoi-daemon-{shipped[0].line.line.name}.engines"
    file.write_text("{")
    section, said = ask(AUTO)
    assert section.backend == "onnx" and str(file) in said


def test_a_back_end_that_the_command_line_names_needs_no_precision_of_its_own(ask):
    section, said = ask(AUTO.model_copy(update={"backend": "onnx"}))
    assert (section.backend, section.precision) == ("onnx", "fp32")
    assert "onnx fp32" in said


@pytest.fixture
def here(monkeypatch):
    machine = Machine("not installed", {"cpu": frozenset(PRECISIONS)}, {"*": "the bundle has no engine"})
    monkeypatch.setattr(told, "this_machine", lambda *_: machine)


def test_check_config_says_what_will_be_measured_and_why_the_rest_is_not(shipped, here):
    configuration, _ = shipped
    line = configuration.line.model_copy(update={"inspection": AUTO})
    (said,) = tried(type(configuration)(configuration.file, line, configuration.recipes))
    assert said.startswith("bundle demo: auto measures onnx fp32, onnx int8, onnx fp16; not ")
    assert "not openvino: not installed" in said
    named = configuration.line.model_copy(update={"inspection": InspectionSection()})
    assert tried(type(configuration)(configuration.file, named, configuration.recipes)) == []


@pytest.mark.parametrize(
    ("section", "cameras", "says"),
    [
        ({"lanes": "auto", "threads": 4}, 3, "measures 1, 2, 3 lanes on a CPU"),
        ({"lanes": "auto", "threads": 2}, 3, "measures 1, 2 lanes on a CPU"),
        ({"lanes": "auto", "threads": 4}, 1, "1 lane, one camera"),
        ({"lanes": "auto", "threads": 1}, 2, "1 lane, one thread or core for all of them"),
        ({"lanes": "auto", "backend": "tensorrt"}, 2, "1 lane, a GPU or NPU has one lane"),
        ({"lanes": 2}, 2, None),
    ],
)
def test_check_config_says_which_numbers_of_lanes_will_be_measured(shipped, monkeypatch, section, cameras, says):
    monkeypatch.setattr(told.os, "sched_getaffinity", lambda _: set(range(8)))
    shipped_line = shipped[0].line
    more = [shipped_line.cameras[0].model_copy(update={"name": f"c{number}"}) for number in range(cameras)]
    line = shipped_line.model_copy(update={"cameras": tuple(more), "inspection": InspectionSection.model_validate(section)})
    said = told.lanes_tried(line)
    assert said == "" if says is None else said.startswith(f"inspection.lanes = 'auto': {says}")


def test_check_config_refuses_a_precision_that_nothing_here_runs(shipped, monkeypatch):
    """bf16 is OpenVINO's."""
    configuration, _ = shipped
    monkeypatch.setattr(told, "this_machine", lambda *_: Machine("not installed: pip install it", {}, {"*": "no engine"}))
    line = configuration.line.model_copy(update={"inspection": AUTO.model_copy(update={"precision": "bf16"})})
    with pytest.raises(ConfigError, match=r"nothing runs bundle demo here; not openvino: not installed: pip install it"):
        tried(type(configuration)(configuration.file, line, configuration.recipes))


def test_a_command_measures_as_auto_would_before_line_toml_says_auto(shipped, here, monkeypatch):
    configuration, _ = shipped
    orders = []

    class Quick:
        def __init__(self, total_s):
            self.devices = None

        def rows(self, candidates, order, tell, begin):
            orders.extend(order(each) for each in candidates)
            return [INT8]

    monkeypatch.setattr(told, "Trials", Quick)
    named = configuration.line.model_copy(update={"inspection": InspectionSection()})
    (view,) = views_of(configuration.recipes["demo"], named.cameras)
    table, chosen = measured(type(configuration)(configuration.file, named, configuration.recipes), "demo", view, lambda _: None, 9.0)
    assert chosen == INT8 and "openvino: not installed" in [row.text() for row in table.rows]
    assert [(order.section.backend, order.section.precision) for order in orders] == [("onnx", p) for p in ("fp32", "int8", "fp16")]
    assert {order.product for order in orders} == {"demo"}
