"""What the child does: holds golden parts, and measures as the line runs."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.golden.manifest import Golden
from aoi_daemon.inspection.auto import trial
from aoi_daemon.inspection.auto.choice import Candidate
from aoi_daemon.inspection.auto.measure import COMMAND, Trials
from aoi_daemon.inspection.auto.trial import MOST_PARTS, Order, Picture, in_turns, measured, pictures, tail_ms
from tests.line.models import copied, first_wrong

SIZE = 64


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "reference"
    template = np.full((SIZE, SIZE, 1), 40, np.uint8)
    template[8:56, 8:56] = 200
    damaged = template.copy()
    damaged[20:40, 20:40] = 0
    make_reference_bundle(folder, [GoldenPair(template, template, True), GoldenPair(damaged, template, False)])
    return folder


def order_of(bundle, **keys):
    recipe = Recipe(id=1, name="r", bundle=bundle, width_px=SIZE, height_px=SIZE)
    return Order(section=InspectionSection(threads=1), recipe=recipe, config_file=bundle / "line.toml", measure_s=0.05, **keys)


def test_a_candidate_is_opened_held_and_measured_in_a_process_of_its_own(bundle):
    (row,) = Trials().rows([Candidate(backend="onnx", precision="fp32")], lambda _: order_of(bundle), lambda _: None)
    assert row.why == ""
    assert 0 < row.p95_ms < 5000


def test_golden_parts_that_do_not_hold_are_named(bundle, tmp_path):
    wrong = copied(bundle, tmp_path / "wrong", first_wrong)
    steps = []
    found = trial._tried(order_of(wrong), steps.append)
    assert found["why"].startswith("golden parts do not hold: ")
    assert steps == ["warming up", "judging the bundle's golden parts"]


def test_one_that_is_far_behind_is_not_held_nor_measured(bundle):
    steps = []
    found = trial._tried(order_of(bundle, best_ms=1e-6), steps.append)
    assert found["p95_ms"] > 0
    assert found["why"] == "far behind, its golden parts were not judged"
    assert steps == ["warming up"]


def test_what_goes_wrong_is_said_as_the_answer(bundle, monkeypatch, capfd):
    """A bundle that is gone, an order that is none."""
    for order in ("{}", "nonsense", order_of(bundle / "gone").model_dump_json()):
        answer = os.memfd_create("answer")
        done = subprocess.run([*COMMAND, str(answer)], input=order.encode(), pass_fds=[answer], check=False, timeout=60)
        lines = [json.loads(line) for line in os.pread(answer, 65536, 0).splitlines()]
        os.close(answer)
        assert done.returncode == 0
        assert lines[0] == {"step": "opening"} and lines[-1]["why"]


def test_a_child_ends_with_its_parent(tmp_path):
    """One that goes on would load the cores of the line's next start."""
    code = (
        "import os, sys, time\n"
        "from aoi_daemon.inspection.auto import trial\n"
        "if os.fork() == 0:\n"
        "    parent = os.getppid()\n"
        "    trial._end_with(parent)\n"
        "    os.write(1, str(os.getpid()).encode())\n"
        "    os.close(1)\n"
        "    time.sleep(60)\n"
        "    os._exit(0)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    pid = int(os.read(parent.stdout.fileno(), 20))
    pidfd = os.pidfd_open(pid)
    parent.kill()
    parent.wait()
    import select

    try:
        assert select.select([pidfd], [], [], 20)[0], "it runs on without its parent"
    finally:
        os.close(pidfd)
        parent.stdout.close()


class Line:
    """A clock, and an executor that takes what `times_ms` says, by turns."""

    has_template = True

    def __init__(self, times_ms):
        self.now_ns, self.times, self.seen, self.slept = 0, times_ms, [], 0.0

    def infer(self, image, template, deadline_ns):
        self.now_ns += int(self.times[len(self.seen) % len(self.times)] * 1e6)
        self.seen.append((image, template))

    def sleep(self, seconds):
        self.slept += seconds
        self.now_ns += int(seconds * 1e9)

    def run(self, parts, measure_s):
        return measured(in_turns(self, parts), measure_s, clock=lambda: self.now_ns, sleep=self.sleep)


def test_runs_are_measured_one_by_one_with_a_gap_before_each_and_all_pictures_are_seen():
    line = Line([7.0])
    parts = [Picture(number, number) for number in "abc"]
    times = line.run(parts, 0.3)
    assert times == [7.0] * 25
    assert line.slept == pytest.approx(25 * 0.005)
    assert {image for image, _ in line.seen} == set("abc")


@given(st.floats(0.1, 20_000), st.floats(0, 2))
def test_there_are_always_enough_runs_and_never_many_after_the_time(ms, measure_s):
    line = Line([ms])
    times = line.run([Picture(None, None)], measure_s)
    assert len(times) >= 9
    assert line.now_ns / 1e6 <= max(measure_s * 1e3, 9 * (ms + 5)) + ms + 5.01


@given(st.lists(st.floats(1, 100), min_size=9, max_size=60))
def test_the_figure_is_one_of_those_that_were_measured(times):
    assert min(times) <= tail_ms(times) <= max(times)


def test_one_disturbance_decides_nothing_and_a_slow_tail_does():
    assert tail_ms([7.0] * 20 + [90.0] * 10 + [7.0] * 15) == 7.0
    assert tail_ms([7.0, 7.0, 7.0, 7.0, 30.0, 30.0] * 9) == 30.0


def golden_of(*passed):
    return Golden(None, tuple(SimpleNamespace(passed=each) for each in passed))


@given(st.lists(st.booleans(), max_size=40))
def test_of_many_parts_of_the_product_some_of_each_kind_are_judged(passed):
    some = trial._some(golden_of(*passed)).parts
    assert len(some) == min(len(passed), MOST_PARTS)
    assert {part.passed for part in some} == set(passed)


def test_pictures_are_of_the_frame_s_size_whatever_the_golden_parts_are():
    part = SimpleNamespace(image=np.arange(6, dtype=np.uint8).reshape(2, 3, 1), template=np.ones((2, 3, 1), np.uint8))
    none = Golden(None)

    def found(shape, parts):
        bundle = SimpleNamespace(golden=lambda: parts, manifest=SimpleNamespace(has_template=True))
        return pictures(bundle, none, shape)

    (picture,) = found((2, 3, 1), [part])
    assert picture.image is part.image
    (picture,) = found((5, 4, 1), [part])
    assert picture.image.shape == picture.template.shape == (5, 4, 1)
    assert picture.image[0, 3, 0] == 0 and picture.image[2, 0, 0] == 0
    (noise,) = found((5, 4, 1), [])
    assert noise.image.shape == noise.template.shape == (5, 4, 1)
