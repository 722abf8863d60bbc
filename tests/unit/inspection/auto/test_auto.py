"""What is opened when: remembered, measured, another where one fails, the reference where nothing holds."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.fit import EXACT
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.inspection.auto import auto
from aoi_daemon.inspection.auto.auto import Auto
from aoi_daemon.inspection.auto.choice import Candidate, Row, Table
from aoi_daemon.inspection.auto.subject import Subject
from tests.unit.inspection.auto.test_candidates import bundle_of

SUBJECT = Subject(SimpleNamespace(shape=(64, 64, 1), fit=EXACT))


def row(name, p95_ms=None, why=""):
    backend, precision = name.split()
    return Row(name=name, candidate=Candidate(backend=backend, precision=precision), p95_ms=p95_ms, why=why)


QUICK, NEXT, REFERENCE = row("openvino int8", 5.0), row("openvino fp32", 12.0), row("onnx fp32", 20.0)
INT8 = Row(name="int8", why="not qualified in the bundle")


class Pc:
    """A PC whose measurements are given, and its inspections, one after the other."""

    def __init__(self, folder: Path, *tables) -> None:
        self.file = folder / "line.engines"
        self.tables = list(tables)
        self.measured = []
        self.bundle = SimpleNamespace(
            manifest=bundle_of(("fp32", "int8"), ("fp32", "int8")), hash="h", folder=folder / "bundle"
        )

    def inspection(self, *, run="a", product="demo", standby=False, left_out=None, device=None, lanes=0):
        section = InspectionSection(backend="auto", precision="auto", device=device)
        log = SimpleNamespace(warning=lambda *_, **__: None, info=lambda *_, **__: None)
        setup = SimpleNamespace(
            recipe=SimpleNamespace(fit=EXACT),
            engines=self.file, left_out=left_out or {}, product=product, run=run, standby=standby, lanes=lanes,
        )  # fmt: skip
        stage = SimpleNamespace(setup=setup, config=SimpleNamespace(inspection=section), log=log)

        def measure(stage, bundle, subject, but):
            self.measured.append(but)
            table = self.tables.pop(0) if len(self.tables) > 1 else self.tables[0]
            rows = [each if each.name not in but else each.model_copy(update={"why": "failed"}) for each in table.rows]
            return table.model_copy(update={"rows": tuple(rows), "beside": standby})

        return Auto(stage, self.bundle, SUBJECT, measure)


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path, Table(rows=(REFERENCE, QUICK, NEXT, INT8)))


def started(one):
    """The one that is opened where each opens and holds."""
    picked = one.pick()
    one.settled()
    return picked.name


def test_the_fastest_that_holds_is_measured_once_and_remembered(pc):
    picked = pc.inspection().pick()
    assert (picked.name, picked.why) == ("openvino int8", "p95 5.0 ms, golden parts hold")
    assert (picked.section.backend, picked.section.precision, picked.section.device) == ("openvino", "int8", "cpu")
    assert picked.rows == ("onnx fp32 20.0 ms", "openvino fp32 12.0 ms", "int8: not qualified in the bundle")
    one = pc.inspection()
    assert [started(one), started(pc.inspection()), started(pc.inspection(run="b"))] == ["openvino int8"] * 3
    assert len(pc.measured) == 2, "once for the one that was not settled, once for all that follow"


def test_what_was_not_settled_is_not_remembered(pc):
    """It may have taken inspection with it as it was opened."""
    pc.inspection().pick()
    assert not pc.file.exists()


@pytest.mark.parametrize("why", ["OpenVINO does not take it", ValueError(), "golden parts do not hold: g"])
def test_a_remembered_one_that_fails_is_left_out_and_the_others_are_measured_anew(pc, why):
    started(pc.inspection())
    one = pc.inspection()
    assert one.pick().name == "openvino int8"
    assert one.failed(why)
    picked = one.pick()
    assert picked.name == "openvino fp32"
    assert pc.measured == [set(), {"openvino int8"}]
    assert any(text.startswith("openvino int8: ") for text in picked.rows)
    one.settled()
    assert started(pc.inspection()) == "openvino fp32"
    assert len(pc.measured) == 2


def test_what_failed_for_one_product_is_left_to_the_others(pc):
    started(pc.inspection())
    one = pc.inspection(product="lid")
    one.pick()
    one.failed("the product's golden parts do not hold")
    started(one)
    assert started(pc.inspection(product="lid")) == "openvino fp32"
    assert started(pc.inspection()) == "openvino int8"
    assert len(pc.measured) == 2


def test_one_that_fails_after_it_was_measured_makes_room_for_the_next(pc):
    one = pc.inspection()
    one.pick()
    assert one.failed("it does not open")
    assert (one.pick().name, len(pc.measured)) == ("openvino fp32", 1)


def test_several_lanes_that_were_chosen_get_no_gpu_in_place_of_what_failed(tmp_path):
    of_gpu = QUICK.model_copy(update={"name": "openvino gpu int8", "candidate": QUICK.candidate.model_copy(update={"device": "gpu"})})
    pc = Pc(tmp_path, Table(rows=(REFERENCE, of_gpu, NEXT)))
    assert pc.inspection(lanes=0).pick().name == "openvino gpu int8"
    picked = pc.inspection(lanes=2).pick()
    assert picked.name == "openvino fp32"
    assert "openvino gpu int8: a GPU or NPU has one lane" in picked.rows


def test_where_nothing_holds_the_reference_judges_and_its_own_parts_say_so(pc):
    one = pc.inspection()
    for name in ("openvino int8", "openvino fp32", "onnx fp32"):
        assert one.pick().name == name
        assert one.failed("golden parts do not hold")
    picked = one.pick()
    assert (picked.name, picked.section.backend) == ("onnx fp32", "onnx")
    assert picked.why == "the reference: no other holds the golden parts"
    assert not one.failed("golden parts do not hold"), "there is nothing left to try"
    one.settled()
    assert not pc.file.exists(), "the next start looks again"


def test_one_that_crashes_inspection_again_and_again_makes_room_without_a_new_measurement(pc):
    """A restart is as quick as any."""
    started(pc.inspection())
    left_out = {"openvino int8": "inspection was lost 3 times in a row with it"}
    picked = pc.inspection(left_out=left_out).pick()
    assert picked.name == "openvino fp32"
    assert "openvino int8: inspection was lost 3 times in a row with it" in picked.rows
    assert started(pc.inspection(left_out=left_out | {"openvino fp32": "the same"})) == "onnx fp32"
    assert len(pc.measured) == 1
    assert started(pc.inspection()) == "openvino int8", "a person has reset"


def test_the_reference_is_never_left_out_for_crashes(pc):
    """There is nothing behind it: the budget of restarts ends that."""
    started(pc.inspection())
    everything = dict.fromkeys(["openvino int8", "openvino fp32", "onnx fp32"], "lost")
    assert started(pc.inspection(left_out=everything)) == "onnx fp32"
    assert len(pc.measured) == 1, "each restart would measure"


def test_a_measurement_that_leaves_out_crashes_is_good_for_this_start_alone(pc):
    left_out = {"openvino int8": "lost"}
    assert started(pc.inspection(left_out=left_out)) == "openvino fp32"
    assert started(pc.inspection(run="b")) == "openvino int8"
    assert len(pc.measured) == 2


def test_a_measurement_that_had_no_time_for_all_is_good_for_this_start_alone(pc):
    """A loaded PC: the next start may find another the fastest."""
    missed = row("openvino int8", None, "not measured: the 30 s for all were over").model_copy(update={"missed": True})
    pc.tables.insert(0, Table(rows=(REFERENCE, missed, NEXT)))
    assert [started(pc.inspection()), started(pc.inspection())] == ["openvino fp32"] * 2
    assert len(pc.measured) == 1
    assert started(pc.inspection(run="b")) == "openvino int8"


def test_a_standby_measures_where_nothing_is_remembered_and_its_figures_are_marked(pc):
    one = pc.inspection(standby=True)
    assert one.pick().why.endswith("measured beside a running line")
    one.settled()
    assert started(pc.inspection(standby=True)) == started(pc.inspection()) == "openvino int8"
    assert len(pc.measured) == 1
    started(pc.inspection(run="b"))
    assert len(pc.measured) == 2, "a start of the daemon has the PC to itself"


def test_a_file_that_names_what_the_bundle_does_not_stand_for_chooses_nothing_of_it(pc):
    started(pc.inspection())
    pc.bundle.manifest = bundle_of(("fp32", "int8"), ("fp32",))
    picked = pc.inspection().pick()
    assert picked.name == "openvino fp32"
    assert "openvino int8 5.0 ms: not qualified in the bundle" in picked.rows


@given(st.lists(st.booleans(), min_size=8, max_size=8), st.booleans())
def test_it_always_ends_with_one_that_is_open(tmp_path_factory, holds, remembered):
    """Whichever open and hold: each is tried at most once, and the reference at last."""
    pc = Pc(tmp_path_factory.mktemp("pc"), Table(rows=(REFERENCE, QUICK, NEXT)))
    if remembered:
        started(pc.inspection())
    one, tried = pc.inspection(), []
    for hold in holds:
        tried.append(one.pick().name)
        if hold or not one.failed("no"):
            break
    else:
        pytest.fail(f"no end: {tried}")
    assert tried[:-1].count(tried[-1]) <= (tried[-1] == "onnx fp32")
    assert len(set(tried)) >= len(tried) - 1
    assert len(pc.measured) <= 2


def test_the_time_that_measuring_may_take_leaves_room_for_the_start(monkeypatch, tmp_path):
    """supervisor.start_s is what ends a start."""
    seen = []
    monkeypatch.setattr(auto, "this_machine", lambda *_: None)
    monkeypatch.setattr(auto, "candidates", lambda *_: auto.Found((), (INT8,)))
    monkeypatch.setattr(auto, "Trials", lambda total_s: seen.append(total_s) or SimpleNamespace(rows=lambda *_: [], devices=None))
    said = []
    for start_s in (60.0, 20.0):
        setup = SimpleNamespace(standby=True, recipe=SimpleNamespace(fit=EXACT), config_file=Path(), product="p")
        config = SimpleNamespace(inspection=InspectionSection(backend="auto"), supervisor=SimpleNamespace(start_s=start_s))
        log = SimpleNamespace(info=lambda *_, **__: None)
        stage = SimpleNamespace(setup=setup, config=config, log=log, tell=lambda **message: said.append(message))
        table = auto.measured_here(stage, SimpleNamespace(manifest=bundle_of()), SUBJECT, set())
        assert table == Table(rows=(INT8,), beside=True)
    assert seen == [30.0, 10.0]
    assert said[0] == {"tell": "engine", "step": "measuring this machine", "standby": True}
