"""How many lanes, and whose cameras: as named, as remembered, or as measured, after the executor is open."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.views import ANY_FOV, Viewed
from aoi_daemon.inspection import deal as module
from aoi_daemon.inspection.auto.lane_choice import LaneRow, LaneTable, choose
from aoi_daemon.inspection.deal import deal, order_of
from aoi_daemon.inspection.opening import Engine

RECIPE = Recipe(id=1, name="r", bundle=Path("b"), width_px=64, height_px=64)
OPENED = Engine("onnx fp32", "named in [inspection]")


@dataclass(frozen=True)
class Setup:
    """As the stage's, with what is asked of it here."""

    engines: Path
    index: int = 0
    lanes: int = 0
    run: str = "a"
    standby: bool = False
    config_file: Path = Path("/none/line.toml")
    product: str = "p"


class Views:
    """Stands in for the views of some cameras."""

    def __init__(self, cameras, section):
        self.lookers = [
            SimpleNamespace(view=Viewed(f"camera-{camera}", camera, ANY_FOV, RECIPE), recipe=RECIPE, bundle=None) for camera in cameras
        ]
        self.pictures = list(zip(cameras, self.lookers, strict=True))
        self.engines = [SimpleNamespace(section=section, lookers=self.lookers)]
        self.closed = False

    def close(self):
        self.closed = True


class Start:
    """A start of inspection with `cameras` cameras; `figures` are what lanes take, ms, by their number."""

    def __init__(self, file, figures=None, *, cameras=2, opens=None, index=0, lanes=0, run="a", **section):
        self.section = InspectionSection.model_validate({"threads": 8, **section})
        self.opens = opens or self.section
        self.figures, self.made, self.measured = figures or {}, [], []
        self.opened = 0
        log = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None)
        config = SimpleNamespace(inspection=self.section, cameras=[None] * cameras)
        self.stage = SimpleNamespace(config=config, setup=Setup(file, index, lanes, run), log=log)

    def make(self, cameras):
        self.made.append(Views(cameras, self.opens))
        return self.made[-1]

    def open(self, views):
        assert not views.closed
        self.opened += 1
        return OPENED

    def measure(self, stage, orders):
        assert self.opened == 1, "the executor is chosen first"
        self.measured.append(sorted(orders))
        once = stage.setup.run if stage.setup.standby else ""
        return LaneTable(rows=tuple(LaneRow(lanes=lanes, p95_ms=self.figures.get(lanes, 100.0)) for lanes in orders), run=once)

    def go(self):
        return deal(self.stage, RECIPE, self.make, self.open, self.measure)


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Of eight cores; what a measurement is good for is the section alone."""
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(module, "key", lambda bundle, section, shape, fit: section.model_dump_json())


def test_a_number_that_is_named_is_taken_and_nothing_is_measured(tmp_path):
    for index, mine in ((0, [0, 2]), (1, [1])):
        start = Start(tmp_path / "f", cameras=3, index=index, lanes=2)
        start.stage.config.inspection = InspectionSection(lanes=2)
        assert start.go()[0::2] == (mine, None)
        assert (start.measured, start.opened, len(start.made)) == ([], 0, 1)


def test_a_lane_that_lane_0_has_started_takes_the_number_that_was_chosen(tmp_path):
    start = Start(tmp_path / "f", cameras=3, index=2, lanes=3, **{"backend": "onnx"})
    start.stage.config.inspection = InspectionSection.model_validate({"lanes": "auto"})
    assert start.go().cameras == [2] and start.measured == []


def auto(file, figures=None, **keys):
    start = Start(file, figures, **keys)
    start.stage.config.inspection = start.section = start.section.model_copy(update={"lanes": "auto"})
    return start


@pytest.mark.parametrize(
    ("keys", "why", "opened"),
    [
        ({"cameras": 1}, "1 lane: one camera, nothing is measured", 0),
        ({"threads": 1}, "1 lane: one thread or core for all of them, nothing is measured", 0),
        ({"opens": InspectionSection(backend="tensorrt")}, "1 lane: a GPU or NPU has one lane, nothing is measured", 1),
        ({"backend": "openvino", "device": "gpu"}, "1 lane: a GPU or NPU has one lane, nothing is measured", 1),
    ],
)
def test_where_one_lane_is_all_that_makes_sense_nothing_is_measured(keys, why, opened, tmp_path):
    start = auto(tmp_path / "f", **keys)
    found = start.go()
    assert (found.lanes, start.measured, start.opened) == (why, [], opened)
    assert found.cameras == list(range(keys.get("cameras", 2))) and not start.made[-1].closed


@given(st.dictionaries(st.sampled_from([1, 2, 3]), st.floats(1.0, 100.0), min_size=3))
def test_the_quickest_is_taken_opened_once_and_remembered(tmp_path_factory, figures):
    file = tmp_path_factory.mktemp("kept") / "f"
    wanted = choose([LaneRow(lanes=lanes, p95_ms=ms) for lanes, ms in figures.items()]).lanes
    start = auto(file, figures, cameras=3)
    found = start.go()
    assert start.measured == [[1, 2, 3]] and start.opened == 1
    assert found.lanes.startswith(f"{wanted} lane")
    assert found.cameras == list(range(0, 3, wanted))
    if wanted == 1:
        assert found.engine is OPENED and not found.views.closed, "what is open stays open"
    else:
        assert start.made[0].closed and found.engine is None and start.stage.setup.lanes == wanted
    again = auto(file, figures, cameras=3)
    assert again.go().cameras == found.cameras
    assert again.measured == [] and again.opened == 0, "the next start measures nothing"


def test_what_was_measured_beside_a_line_is_good_for_that_start_of_the_daemon_alone(tmp_path):
    beside = auto(tmp_path / "f", {1: 9.0, 2: 5.0})
    beside.stage.setup = Setup(tmp_path / "f", standby=True)
    assert beside.go().cameras == [0]
    assert auto(tmp_path / "f").go().cameras == [0]
    later = auto(tmp_path / "f", {1: 5.0, 2: 9.0}, run="b")
    assert later.go().cameras == [0, 1] and later.measured == [[1, 2]]


@given(st.integers(1, 8), st.integers(1, 8))
def test_each_view_is_tried_in_one_lane_with_its_share_of_the_threads(cameras, lanes):
    start = Start(Path("/none"), cameras=cameras)
    order = order_of(start.stage, RECIPE, start.make(list(range(cameras))), lanes)
    assert sum(len(side) for side in order.sides) == cameras
    assert {each.section.threads for side in order.sides for each in side} == {max(1, 8 // lanes)}
