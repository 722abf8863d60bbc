"""A candidate's process may do what it likes: it is a row of the table, and in time."""

import os
import sys
import time
from pathlib import Path

import pytest

from aoi_daemon.inspection.auto.choice import Candidate
from aoi_daemon.inspection.auto.measure import Trials
from aoi_daemon.inspection.auto.trial import Order

FAKE = (sys.executable, str(Path(__file__).with_name("fake_trial.py")))
ONE = Candidate(backend="openvino", precision="bf16")


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def row_of(does, **more):
    before = set(children())
    trials = Trials(FAKE, **{"one_s": 10.0, **more})
    (row,) = trials.rows([ONE], lambda _: Order(product=does), lambda _: None)
    assert set(children()) == before, "it has outlived its trial"
    return row


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("segfault", "crashed (SIGSEGV) while opening: driver: cannot map the device"),
        ("aborts", "crashed (SIGABRT) while measuring"),
        ("exit", "ended with code 3 while opening"),
        ("nonsense", "ended with code 0 while opening"),
        ("infinite", "it gave no figure"),
        ("words", "it gave no figure"),
        ("refuses", "the device is not there"),
    ],
)
def test_a_fault_of_the_child_is_words_in_the_table(does, why):
    row = row_of(does)
    assert (row.why, row.p95_ms, row.holds) == (why, None, False)


@pytest.mark.parametrize("does", ["hang", "deaf", "stopped"])
def test_a_child_that_hangs_is_ended_in_its_time(does):
    began = time.monotonic()
    row = row_of(does, one_s=1.0)
    assert row.why == "no answer within 1 s while opening" or row.why == "no answer within 1 s while starting"
    assert time.monotonic() - began < 8


def test_what_a_library_prints_neither_blocks_nor_spoils_the_answer():
    assert row_of("flood").p95_ms == 5.0


def test_one_that_holds_gives_its_figure():
    row = row_of("6.94")
    assert (row.name, row.p95_ms, row.holds) == ("openvino bf16", 6.94, True)


def test_a_program_that_cannot_be_started_is_a_row():
    (row,) = Trials(("/nowhere/python",)).rows([ONE], lambda _: Order(), lambda _: None)
    assert row.why.startswith("its process cannot be started")


def test_all_together_keep_to_their_time_and_those_that_were_not_reached_say_so():
    """Time stands still but for what is said here: nobody waits."""
    now = [0]
    trials = Trials(FAKE, total_s=10.0, clock=lambda: now[0])
    told = []

    def tell(row):
        told.append(row.name)
        now[0] += int(9.5e9)

    candidates = [ONE, Candidate(backend="onnx", precision="int8")]
    rows = trials.rows(candidates, lambda _: Order(product="5.0"), tell)
    assert [row.why for row in rows] == ["", "not measured: the 10 s for all were over"]
    assert told == [row.name for row in rows]
    assert [row.missed for row in rows] == [False, True]


def test_one_whose_time_was_cut_short_by_the_others_does_not_count_as_hanging():
    """It may be the fastest at the next start."""
    (row,) = Trials(FAKE, one_s=10.0, total_s=1.5).rows([ONE], lambda _: Order(product="hang"), lambda _: None)
    assert (row.why, row.missed) == ("not measured: the 1.5 s for all were over", True)


def test_each_hears_of_the_quickest_that_holds_so_far():
    heard = []

    class Spy(Trials):
        def _ask(self, order, most_s):
            heard.append(order.best_ms)
            return super()._ask(order, most_s)

    says = iter(["20.0", "refuses", "5.0", "7.0"])
    Spy(FAKE, total_s=60.0).rows([ONE] * 4, lambda _: Order(product=next(says)), lambda _: None)
    assert heard == [None, 20.0, 20.0, 5.0]


def test_devices_are_told_or_why_not():
    class Asks(Trials):
        def _ask(self, order, most_s):
            assert order.do == "devices"
            return super()._ask(order.model_copy(update={"product": self.does}), most_s)

    trials = Asks(FAKE)
    trials.does = "devices"
    assert trials.devices() == {"cpu": ["fp32"]}
    trials.does = "segfault"
    assert "crashed (SIGSEGV)" in trials.devices()
    trials.does = "5.0"
    assert isinstance(trials.devices(), str)
