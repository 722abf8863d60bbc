"""One executor is open at the end, whatever fails before."""

from types import SimpleNamespace

import pytest

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import InferenceError, ModelError
from aoi_daemon.inspection.auto import auto
from aoi_daemon.inspection.auto.auto import Picked
from aoi_daemon.inspection.opening import Engine, open_engine

SHAPE = (64, 64, 1)


class Picks:
    """`Auto` with three to pick from, the last one the reference."""

    def __init__(self, *_):
        self.names = ["openvino int8", "openvino fp32", "onnx fp32"]
        self.settled_with = None

    def pick(self):
        backend, precision = self.names[0].split()
        section = InspectionSection(backend=backend, precision=precision)
        return Picked(section, self.names[0], "why", ("others",))

    def failed(self, why):
        assert str(why)
        return bool(len(self.names) > 1 and self.names.pop(0))

    def settled(self):
        self.settled_with = self.names[0]


@pytest.fixture
def stage(monkeypatch):
    picks = Picks()
    monkeypatch.setattr(auto, "Auto", lambda *_: picks)
    said = []
    return SimpleNamespace(
        config=SimpleNamespace(inspection=InspectionSection(backend="auto", precision="auto")),
        setup=SimpleNamespace(standby=False), said=said, picks=picks, tell=lambda **message: said.append(message),
        log=SimpleNamespace(info=lambda *_, **__: None),
    )  # fmt: skip


def test_a_back_end_that_is_named_is_opened_and_told_as_named(stage):
    stage.config.inspection = InspectionSection(backend="openvino", precision="fp16", device="gpu.1")
    seen = []
    found = open_engine(stage, None, SHAPE, lambda section: seen.append(section) or "golden parts do not hold: g")
    assert found == Engine("openvino gpu.1 fp16", "named in [inspection]")
    assert (seen, stage.said) == ([stage.config.inspection], [])


@pytest.mark.parametrize("fault", [ModelError("no"), InferenceError("no"), RuntimeError("a vendor's"), OSError("no"), "golden parts do not hold: g"])
def test_one_that_fails_makes_room_for_the_next(stage, fault):
    def open_by(section):
        if section.precision != "int8":
            return ""
        if isinstance(fault, Exception):
            raise fault
        return fault

    assert open_engine(stage, None, SHAPE, open_by) == Engine("openvino fp32", "why", ("others",), auto=True)
    assert stage.picks.settled_with == "openvino fp32"


def test_the_supervisor_is_told_before_each_is_opened(stage):
    """Should it take the process with it, nobody could say which it was."""
    seen = []

    def open_by(section):
        assert stage.said[-1]["opening"] == f"{section.backend} {section.precision}"
        seen.append(section.backend)
        return "no" if len(seen) < 3 else ""

    open_engine(stage, None, SHAPE, open_by)
    assert seen == ["openvino", "openvino", "onnx"]


def test_the_last_one_stays_open_where_its_parts_do_not_hold_and_fails_where_it_does_not_open(stage):
    stage.picks.names = ["onnx fp32"]
    assert open_engine(stage, None, SHAPE, lambda _: "golden parts do not hold: g").name == "onnx fp32"

    def broken(_):
        raise ModelError("damaged")

    with pytest.raises(ModelError, match="damaged"):
        open_engine(stage, None, SHAPE, broken)
