"""What the stop rules are told of a part: its verdict once, and each of its judged views."""

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.recipe import Recipe, StopRules
from aoi_daemon.messages import Announcement, Arrival, Defect, Judgement, Reason, pack_defects
from aoi_daemon.plc.account import Account
from aoi_daemon.plc.parts import Parts
from aoi_daemon.plc.report import NO_JUDGEMENT
from aoi_daemon.ring import verdicts
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.ring.verdicts import VerdictReader
from aoi_daemon.stage.board import SIZE_BYTES, Board, Cell, reason_cell, unpack_view_fault
from tests.unit.plc.pictures import of_each

DEADLINE = 50


class Line:
    """Parts of `cameras` views with an account; a stop is kept in `said`."""

    def __init__(self, memory, cameras: int, rules: StopRules) -> None:
        recipe = Recipe(id=1, name="demo", bundle=Path("b"), width_px=64, height_px=64, stop=rules)
        self.said: list[dict] = []
        log = SimpleNamespace(error=lambda event, **fields: self.said.append({"event": event, **fields}))
        self.board = Board(memory["board"])
        stage = SimpleNamespace(
            board=self.board, log=log, memory=lambda name, _: memory[name], setup=SimpleNamespace(recipe=recipe),
            config=SimpleNamespace(plc=SimpleNamespace(poll=None), cameras=[SimpleNamespace(name=f"c{n}", told_fovs=(0,)) for n in range(cameras)]),
        )
        self.memory = memory
        self.account = Account(stage)
        self.parts = Parts(of_each(cameras), 5, 10, 3)
        self.cameras = cameras
        self.sequence = 0

    def part(self, *views: tuple[Reason, float] | None) -> Reason:
        """A part goes by. Each view is judged in the order of cameras: (its reason, where its defect is), None: not."""
        self.sequence += 1
        at = self.sequence * 100
        for camera in range(self.cameras):
            self.parts.announce(
                Announcement(Arrival.FRAME, camera, camera, self.sequence, self.sequence, at, at, at + DEADLINE),
                ready=True,
            )
        for camera, view in enumerate(views):
            if view is not None:
                self.parts.judge(judgement(camera, self.sequence, *view))
        part = self.parts.take(at + DEADLINE - 6)
        self.account.enter(part, self.account.outcome(part, part.reason, at))
        return part.reason


def judgement(camera: int, sequence: int, reason: Reason, x: float = 0.0) -> Judgement:
    found = (Defect(0, 0.9, x, 10.0, x + 4, 14.0),) if reason is Reason.DEFECT else ()
    return Judgement(
        reason is Reason.NONE, reason, camera, 0 if found else -1, len(found), 1, sequence, 0, 0, 0, 1, 2, 3,
        pack_defects(found), camera,
    )  # fmt: skip


@pytest.fixture
def line():
    """Makes a line; by default two cameras, and three parts in a row are allowed at one place."""
    with ExitStack() as owned:
        memory = {
            name: owned.enter_context(SharedMemory.create(name, size))
            for name, size in (("board", SIZE_BYTES), ("verdicts", verdicts.SIZE_BYTES))
        }

        def make(cameras: int = 2, **rules) -> Line:
            given = {"same_place": 3, "same_place_radius": 5.0, "reject_percent": 0.0, "window": 10, **rules}
            return Line(memory, cameras, StopRules(**given))

        yield make


GOOD = (Reason.NONE, 0.0)


def bad(x: float) -> tuple[Reason, float]:
    return Reason.DEFECT, x


def test_the_same_place_on_a_view_that_did_not_decide_stops_the_line(line):
    """Camera 0 rejects each part for a defect that is anywhere; camera 1 has the same scratch on each of them."""
    two = line()
    for x in (0, 100, 200):
        two.part(bad(x), bad(40))
    assert two.said == []
    two.part(bad(300), bad(40))
    assert [(s["event"], s["parts"], s["part"]) for s in two.said] == [("stop_rule", 4, 4)]
    stop = two.account.rules.stop
    assert (stop.camera, stop.fov, stop.x_px) == (1, 1, 42)
    assert two.board[Cell.STOPPED_BY_RULE] == 1


def test_a_good_view_ends_its_row_though_another_view_rejects_the_part(line):
    """The scratch under camera 0 was gone for one part, which camera 1 rejected."""
    two = line()
    for _ in range(3):
        two.part(bad(40), GOOD)
    assert two.part(GOOD, bad(200)) is Reason.DEFECT
    for _ in range(3):
        two.part(bad(40), GOOD)
    assert two.said == []


def test_every_good_view_of_a_good_part_ends_its_row(line):
    """Not that of the view alone which was judged last."""
    two = line()
    for _ in range(3):
        two.part(bad(40), None)
    two.part(GOOD, GOOD)
    for _ in range(3):
        two.part(bad(40), None)
    assert two.said == []


def test_a_view_that_was_not_judged_neither_ends_nor_lengthens_its_row(line):
    two = line()
    for _ in range(3):
        two.part(bad(40), None)
    assert two.part(None, None) is Reason.LATE
    assert two.said == []
    two.part(bad(40), None)
    assert len(two.said) == 1


def test_a_view_beside_its_place_neither_ends_nor_lengthens_its_row(line):
    """Its defects were not looked for."""
    two = line()
    for _ in range(3):
        two.part(GOOD, bad(40))
    two.part(GOOD, (Reason.REGISTRATION, 0.0))
    assert two.said == []
    two.part(GOOD, bad(40))
    assert [s["parts"] for s in two.said] == [4]


def test_the_rate_counts_a_part_once_however_many_of_its_views_are_bad(line):
    """Three bad parts of ten are allowed; their six bad views are not what is counted."""
    two = line(same_place=0, reject_percent=30.0)
    for x in (0, 100, 200):
        two.part(bad(x), bad(x))
    assert two.said == []
    two.part(bad(300), bad(300))
    assert [(s["parts"], s["part"]) for s in two.said] == [(4, 4)]


def test_a_line_with_one_camera_is_stopped_as_before(line):
    one = line(cameras=1)
    for _ in range(4):
        one.part(bad(40))
    assert [s["parts"] for s in one.said] == [4]


@pytest.mark.parametrize(("passed", "reason"), [(False, Reason.NONE), (True, Reason.DEFECT)])
def test_a_judgement_that_contradicts_itself_does_not_end_a_row(line, passed, reason):
    """It says PASS and REJECT at once: a fault of ours, which says nothing of the place."""
    one = line(cameras=1)
    for _ in range(3):
        one.part(bad(40))
    one.sequence += 1
    at = one.sequence * 100
    one.parts.announce(Announcement(Arrival.FRAME, 0, 0, one.sequence, 1, at, at, at + DEADLINE), ready=True)
    one.parts.judge(judgement(0, one.sequence, Reason.NONE)._replace(passed=passed, reason=reason))
    part = one.parts.take(at)
    one.account.enter(part, one.account.outcome(part, part.reason, at))
    assert part.reason is (reason or Reason.ENGINE_FAULT)
    one.part(bad(40))
    assert [s["parts"] for s in one.said] == [4]


def test_after_a_person_has_looked_the_rows_begin_anew(line):
    one = line(cameras=1)
    for _ in range(4):
        one.part(bad(40))
    one.account.reset()
    assert one.board[Cell.STOPPED_BY_RULE] == 0
    for _ in range(3):
        one.part(bad(40))
    assert len(one.said) == 1
    one.part(bad(40))
    assert [s["part"] for s in one.said] == [4, 8]


def test_each_part_is_on_record_once_in_their_order_and_counted(line):
    two = line()
    reader = VerdictReader(two.memory["verdicts"], from_start=True)
    two.part(GOOD, GOOD)
    two.part(GOOD, bad(40))
    two.part(GOOD, None)
    assert [(outcome.part, outcome.passed, outcome.reason) for outcome in reader.read()] == [
        (1, True, Reason.NONE), (2, False, Reason.DEFECT), (3, False, Reason.LATE),
    ]  # fmt: skip
    board = two.board
    assert (board[Cell.PARTS], board[Cell.PASSED], board[Cell.REJECTED]) == (3, 1, 2)
    assert [board[reason_cell(reason)] for reason in (Reason.NONE, Reason.DEFECT, Reason.LATE)] == [1, 1, 1]


def test_a_plc_that_is_killed_while_it_records_a_part_does_not_give_its_number_again(line, monkeypatch):
    two = line()

    def killed(outcome):
        raise KeyboardInterrupt

    monkeypatch.setattr(two.account.outcomes, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        two.part(GOOD, GOOD)
    assert two.board[Cell.PARTS] == 1


def test_the_process_is_told_by_all_parts_that_were_judged(line):
    """Reject rate and the most frequent class, which the register profile shows."""
    one = line(cameras=1)
    for view in (GOOD, bad(10), bad(60), GOOD):
        one.part(view)
    assert (one.account.feedback.reject_per_mille, one.account.feedback.most_frequent_class) == (500, 0)


def test_the_record_of_a_part_that_was_not_judged_says_nothing_of_a_judgement(line):
    two = line()
    two.part(None, None)
    (outcome,) = VerdictReader(two.memory["verdicts"], from_start=True).read()
    assert (outcome.passed, outcome.reason, outcome.worst_class, outcome.defect_count) == (False, Reason.LATE, -1, 0)
    assert (outcome.bundle, outcome.offset_x, outcome.offset_y) == (0, 0, 0)
    assert (outcome.picked_ns, outcome.inferred_ns, outcome.judged_ns) == (0, 0, 0)
    assert outcome.defects == bytes(len(outcome.defects))
    assert not NO_JUDGEMENT.passed


# -- views that are not seen as they must be ----------------------------------------------------------


def faults(line):
    return line.board[Cell.VIEW_FAULTS], unpack_view_fault(line.board[Cell.VIEW_FAULT])


def test_parts_in_a_row_of_which_a_view_is_missing_late_or_unknown_are_counted_and_the_view_named(line):
    two = line()
    two.part(GOOD, None)
    assert faults(two) == (1, (Reason.LATE, 1, 1))
    two.part((Reason.NO_RECIPE, 0.0))
    assert faults(two) == (2, (Reason.NO_RECIPE, 0, 0))
    two.part(GOOD, GOOD)
    assert faults(two)[0] == 0, "one that was seen as it must be ends the row"
    two.part(GOOD, None)
    two.part(bad(3), GOOD)
    assert faults(two)[0] == 0, "a defect says that all was seen"


def test_a_view_that_never_came_is_recorded_by_its_camera_with_the_time_of_the_one_that_did(line):
    two = line()
    at = 1_000
    two.parts.announce(Announcement(Arrival.FRAME, 0, 0, 5, 5, at, at + 1, at + DEADLINE), ready=True)
    part = two.parts.take(at + DEADLINE)
    found = two.account.outcome(part, part.reason, at)
    assert (found.reason, found.camera, found.fov, found.sequence) == (Reason.NO_IMAGE, 1, 0, 0)
    assert (found.trigger_ns, found.ready_ns) == (at, at + 1)


def test_of_a_part_of_one_view_no_fault_of_views_is_counted(line):
    one = line(cameras=1)
    one.part(None)
    assert faults(one)[0] == 0
