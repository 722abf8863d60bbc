"""`Plc.run` from its start to the safe state at its end, in scripted time: plc/main.py, plc/face.py and plc/readiness.py."""

import heapq
import itertools
import json
import os
import select
import socket
from types import SimpleNamespace

import pytest

from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.messages import Announcement, Judgement, Proof, Reason
from aoi_daemon.plc.main import Plc
from aoi_daemon.plcmap.coils import Coil, Result, view
from aoi_daemon.plcmap.registers import Flag, decode_report
from aoi_daemon.stage.board import CameraCell, Cell, StageState, Stopped, camera_cell, reason_cell
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.stage.stage import Stage
from tests.unit.plc.conftest import RECIPE

MS = 1_000_000
DEADLINE_MS = 50
ENOUGH_TURNS = 5_000


class Served:
    """A line that is READY, its plc in the loop; what happens is said before, in ms from the start."""

    def __init__(self, plc, clock, monkeypatch) -> None:
        self.plc, self.clock, self.board, self.link = plc, clock, plc.board, plc.link
        self.began = clock.now
        self.todo: list[tuple[int, int, object]] = []
        self.turns = 0
        self.supervisor, plc.stage.control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        plc.stage.control.setblocking(False)
        plc.stage.commands = lambda: Stage.commands(plc.stage)
        plc.forcing.announced_ns = clock.now - 3_000 * MS
        plc.link.close = lambda: setattr(plc.link, "up", False)
        self.connects: list[float] = []
        connect = plc.link.connect
        plc.link.connect = lambda *safe: self.connects.append(self.now_ms) or connect(*safe)
        board = self.board
        board[Cell.LINE_STATE] = Line.RUNNING
        board[Cell.VIEWS] = plc.readiness.views
        board[Cell.GOLDEN_PASSED] = board[Cell.PROVEN] = board[camera_cell(0, CameraCell.PRESENT)] = 1
        board[Cell.INSPECTION_STATE] = board[camera_cell(0, CameraCell.STATE)] = StageState.READY
        board[Cell.INSPECTION_NS] = board[camera_cell(0, CameraCell.PROGRESS_NS)] = 2**62
        monkeypatch.setattr(plc, "_line_ready", Plc._line_ready.__get__(plc))
        monkeypatch.setattr(plc.readiness, "all_move", type(plc.readiness).all_move.__get__(plc.readiness))
        plc.wait.does = self.select

    @property
    def now_ms(self) -> float:
        return (self.clock.now - self.began) / MS

    def at(self, ms: float, do) -> None:
        heapq.heappush(self.todo, (self.began + int(ms * MS), len(self.todo) + self.turns, do))

    def select(self, watched, timeout_s):
        """The loop's wait: time goes on to what happens next, at most by `timeout_s`."""
        assert timeout_s >= 0
        self.turns += 1
        assert self.turns < ENOUGH_TURNS, "it does not sleep"
        until = self.clock.now + int(timeout_s * 1e9 + 0.5)
        while not (ready := select.select(watched, [], [], 0)[0]):
            if not self.todo or self.todo[0][0] > until:
                self.clock.now = max(self.clock.now, until)
                return []
            due, _, do = heapq.heappop(self.todo)
            self.clock.now = max(self.clock.now, due)
            do()
        return ready

    def run(self, ms: float) -> None:
        """Serve until `ms`; then the supervisor says stop and is gone."""
        self.at(ms, lambda: (self.say(do="stop"), self.supervisor.close()))
        self.plc.run()

    def say(self, **command) -> None:
        self.supervisor.send(json.dumps(command).encode())

    def part(self, ms: float, number: int, judged_ms: float | None = None, reason=Reason.NONE) -> None:
        """Part `number` comes at `ms` and is judged at `judged_ms`, if it is."""
        ready = self.began + int(ms * MS)
        seen = Announcement(0, 0, 0, number, number, ready, ready, ready + DEADLINE_MS * MS)
        self.at(ms, lambda: os.write(self.plc.stage.fds["announcements_w"], seen.pack()))
        if judged_ms is not None:
            judgement = Judgement(reason is Reason.NONE, reason, 0, 0, 0, 1, number, 0, 0, 0, 1, 2, 3, b"")
            self.at(judged_ms, lambda: os.write(self.plc.stage.fds["judgements_w"], judgement.pack()))

    def words(self):
        """(ms, coils by name) of each FC15 but those of a new connection."""
        return [((begun - self.began) / MS, view(what)) for kind, begun, _, what in self.link.log if kind == "coils"]

    def verdicts(self):
        """(ms, result, sequence) of each PASS and REJECT, when it was shown first."""
        found: dict[tuple[Result, int], float] = {}
        for at, word in self.words():
            if word.result:
                found.setdefault((word.result, word.sequence), at)
        return [(at, *verdict) for verdict, at in found.items()]


@pytest.fixture
def served(plc, clock, monkeypatch):
    found = Served(plc, clock, monkeypatch)
    yield found
    found.supervisor.close()
    plc.stage.control.close()


# -- the end ------------------------------------------------------------------


@pytest.mark.parametrize("parts", [1, 2])
def test_at_its_end_the_coils_are_0_but_result_toggle_and_the_registers_say_nothing(served, parts):
    """RESULT_TOGGLE carries no verdict, and a PLC that looks for its edge must not see one that no verdict made."""
    for number in range(1, parts + 1):
        served.part(100 * number + 10, number, 100 * number + 20)
    served.run(400)
    assert [result for _, result, _ in served.verdicts()] == [Result.PASS] * parts
    assert served.link.coils[-1] == (parts % 2) << Coil.RESULT_TOGGLE
    assert [kind for kind, *_ in served.link.log[-2:]] == ["coils", "registers"]
    base, report = served.link.registers[-1]
    said = decode_report(report)
    assert (base, said.flags, said.verdict, said.sequence, said.trigger_id) == (0, 0, 0, 0, 0)
    assert served.board[Cell.READY] == 0
    assert not served.link.up, "the connection is given back"


def test_at_its_end_nothing_is_written_to_registers_that_are_off(served):
    served.plc.section = served.plc.section.model_copy(update={"registers": None})
    served.run(200)
    assert served.link.coils[-1] == 0
    assert served.link.registers == []


def test_at_its_end_without_a_link_nothing_is_begun(served):
    def cut():
        served.link.up = False
        served.link.retry_ns = 2**62
        served.link.log.clear()

    served.at(200, cut)
    served.run(250)
    assert served.link.log == []
    assert served.board[Cell.READY] == 0


def test_at_its_end_a_plc_that_does_not_take_the_coils_is_not_asked_for_more(served):
    served.link.answer_ns = lambda: 0 if served.link.coils[-1] else 1_000 * MS
    served.run(210)
    assert [(kind, what) for kind, _, _, what in served.link.log[-1:]] == [("coils", 0)]


def test_a_part_that_waits_when_the_stop_comes_still_has_its_verdict_and_it_is_no_pass(served):
    """The supervisor is gone by then, and its end wakes nobody for ever."""
    served.part(110, 1, 130)
    served.part(112, 2)
    served.run(115)
    assert served.verdicts() == [(130, Result.REJECT, 1), (112 + DEADLINE_MS - 15, Result.REJECT, 2)]
    after = [word for at, word in served.words() if at >= 130]
    assert not any(word.ready or word.run_permit for word in after)
    assert all(
        decode_report(what).flags == 0 for kind, begun, _, what in served.link.log if kind == "registers" and begun >= served.began + 130 * MS
    )
    assert served.link.coils[-1] == 0


# -- the loop -----------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_plc_is_ready_once_it_has_tried_to_connect_whether_the_plc_is_there_or_not(served, there):
    """A line does not begin with the alarm that there is no connection."""
    steps, link = [], served.link
    connect = link.connect
    link.up, link.retry_ns = False, 2**62
    link.connect = lambda *safe: steps.append("connect") or (connect(*safe) if there else False)
    served.plc.stage.ready = lambda: steps.append("ready")
    served.run(100)
    assert steps == ["connect", "ready"]
    assert any(word.ready for _, word in served.words()) is there


def test_what_is_lost_while_a_verdict_is_on_its_way_counts_for_the_next_part_of_the_same_turn(served):
    def lost_with_the_first():
        if served.link.log and served.now_ms >= 120:
            served.board[camera_cell(0, CameraCell.PRESENT)] = 0
        return 0

    served.link.answer_ns = lost_with_the_first
    served.part(110, 1)
    served.part(111, 2, 112)
    judgement = Judgement(True, Reason.NONE, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 3, b"")
    served.at(120, lambda: os.write(served.plc.stage.fds["judgements_w"], judgement.pack()))
    served.run(200)
    assert served.verdicts() == [(120, Result.PASS, 1), (120, Result.REJECT, 2)]
    assert served.board[reason_cell(Reason.NOT_READY)] == 1
    assert not any(word.ready for at, word in served.words()[:-1] if at > 120)


def test_the_heartbeat_keeps_its_time_whatever_else_wakes_the_loop(served):
    served.part(113, 1, 121)
    served.run(560)
    edges, last = [], None
    for at, word in served.words():
        if last is not None and word.heartbeat is not last:
            edges.append(at)
        last = word.heartbeat
    assert edges == [100, 200, 300, 400, 500]
    assert served.board[Cell.HEARTBEATS] == 6
    beats = [decode_report(what).heartbeat for kind, _, _, what in served.link.log if kind == "registers"]
    assert set(range(1, 7)) <= set(beats)


def test_it_says_that_it_is_ready_and_that_it_moves_at_least_each_50_ms(served):
    served.plc.face._heartbeat_ns = 5_000 * MS
    behind = []
    for ms in range(10, 500, 7):
        served.at(ms, lambda: behind.append(served.clock.now - served.board[Cell.PLC_NS]))
    served.run(500)
    assert served.board[Cell.PLC_STATE] == StageState.READY
    assert max(behind) <= 50 * MS


def test_a_part_that_nobody_judged_is_rejected_at_its_cutoff(served):
    """Three answers of 5 ms before its deadline; the loop does not spin until then, though the heartbeat is due meanwhile."""
    served.part(68, 1)
    served.run(150)
    assert served.verdicts() == [(68 + DEADLINE_MS - 15, Result.REJECT, 1)]
    assert served.turns < 30


def test_parts_that_are_decided_together_leave_together(served):
    served.part(110, 1)
    served.part(111, 2, 112, Reason.DEFECT)
    served.part(111, 3, 112, Reason.DEFECT)
    judgement = Judgement(True, Reason.NONE, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 3, b"")
    served.at(120, lambda: os.write(served.plc.stage.fds["judgements_w"], judgement.pack()))
    served.run(200)
    assert served.verdicts() == [(120, Result.PASS, 1), (120, Result.REJECT, 2), (120, Result.REJECT, 3)]
    requests = [
        (kind, decode_report(what).sequence if kind == "registers" else view(what).sequence)
        for kind, begun, _, what in served.link.log
        if begun == served.began + 120 * MS
    ]
    assert requests[:6] == [(kind, number) for number in (1, 2, 3) for kind in ("registers", "coils")], "nothing is between them"


def test_good_parts_that_are_decided_together_all_pass_and_ready_stays(served):
    """After a wait for the processor two parts are due in one turn: the second was NOT_READY, and took READY from the third."""
    served.part(110, 1)
    served.part(111, 2, 112)
    served.part(111, 3, 112)
    judgement = Judgement(True, Reason.NONE, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 3, b"")
    served.at(120, lambda: os.write(served.plc.stage.fds["judgements_w"], judgement.pack()))
    served.run(200)
    assert served.verdicts() == [(120, Result.PASS, number) for number in (1, 2, 3)]
    assert all(word.ready for at, word in served.words() if 110 <= at < 200)


def test_the_announcement_is_taken_in_before_the_judgement_of_the_same_moment(served):
    served.part(110, 1, 110)
    served.run(200)
    assert served.verdicts() == [(110, Result.PASS, 1)]


def test_a_link_that_is_down_is_tried_again_when_it_is_time_and_not_before(served):
    def cut():  # the loop hears of it when it wakes next, at 150
        served.link.up = False
        served.link.retry_ns = served.clock.now + 63 * MS

    served.at(110, cut)
    served.run(300)
    assert served.connects == [173]
    assert next(word.ready for at, word in served.words() if at >= 173), "READY comes back"


def test_a_part_that_came_without_a_link_is_no_pass_though_the_link_is_back_in_time(served):
    def cut():
        served.link.up = False
        served.link.retry_ns = served.clock.now + 10 * MS

    served.at(105, cut)
    served.part(106, 1, 130)
    served.run(200)
    assert served.connects == [115]
    assert served.verdicts() == []
    assert {word.sequence for at, word in served.words()[:-1] if at >= 115} == {1}


def poll(served, period_ms=20):
    looks = []

    def look(now, number):
        looks.append(((now - served.began) / MS, number))
        served.plc.polling.due_ns = now + period_ms * MS

    served.plc.polling = SimpleNamespace(due_ns=served.clock.now + 3 * MS, look=look)
    served.plc._has_more = True
    return looks


def test_the_plc_is_read_each_period_with_the_number_of_the_last_part(served):
    looks = poll(served)
    served.part(30, 1, 40)
    served.run(100)
    assert looks == [(3, 0), (23, 0), (43, 1), (63, 1), (83, 1)]


def test_a_read_waits_for_a_part_that_must_soon_be_judged_and_the_loop_sleeps_meanwhile(served):
    looks = poll(served, period_ms=7)
    served.part(28, 1)
    served.run(100)
    assert [at for at, _ in looks] == [3, 10, 17, 24, 31, 38, 45, 52, 63, 70, 77, 84, 91, 98]
    assert served.turns < 60


# -- what stops READY ---------------------------------------------------------

CAMERA = camera_cell(0, CameraCell.STATE)
NOT_READY = {
    "the line is FAULTED": (Cell.LINE_STATE, Line.FAULTED),
    "inspection is lost": (Cell.INSPECTION_STATE, StageState.LOST),
    "no golden part has passed": (Cell.GOLDEN_PASSED, 0),
    "the product is not proven": (Cell.PROVEN, Proof.NOT_PROVEN),
    "the camera is being opened": (CAMERA, StageState.STARTING),
    "the camera is not there": (camera_cell(0, CameraCell.PRESENT), 0),
}
STANDS = {
    "inspection does not move": Cell.INSPECTION_NS,
    "the camera's stage does not move": camera_cell(0, CameraCell.PROGRESS_NS),
}


def last_words(served, since_ms):
    return [word for at, word in served.words()[:-1] if at >= since_ms]


@pytest.mark.parametrize("what", NOT_READY)
def test_what_the_board_says_is_missing_takes_ready_and_not_the_heartbeat(served, what):
    cell, value = NOT_READY[what]
    shown = []
    for ms in (205, 790):
        served.at(ms, lambda: shown.append(served.board[Cell.READY]))
    served.at(210, lambda: served.board.__setitem__(cell, value))
    served.run(800)
    assert shown == [1, 0]
    assert {word.ready for at, word in served.words() if at <= 210} == {True}
    after = last_words(served, 260)
    assert {word.ready for word in after} == {False}
    assert {word.heartbeat for word in after} == {False, True}


@pytest.mark.parametrize("what", STANDS)
def test_what_says_that_it_works_and_has_not_moved_for_stall_ms_stops_the_heartbeat_too(served, what):
    served.board[STANDS[what]] = served.clock.now + 105 * MS
    served.run(1_500)
    stall_ms = served.plc.section.stall_ms
    fell = next(at for at, word in served.words() if not word.ready)
    assert 105 + stall_ms < fell <= 105 + stall_ms + 50
    after = last_words(served, fell)
    assert {(word.ready, word.heartbeat) for word in after} == {(False, after[0].heartbeat)}
    assert served.board[Cell.HEARTBEATS] == 7





@pytest.mark.parametrize("what", STANDS)
def test_a_verdict_moves_no_heartbeat_of_a_line_that_stands(served, what):
    """Parts come more often than the heartbeat: it would move with them."""
    served.board[STANDS[what]] = served.clock.now - 501 * MS
    for number in range(1, 9):
        served.part(50 * number, number, 50 * number + 10)
    served.run(500)
    assert served.board[Cell.HEARTBEATS] == 0
    assert {word.heartbeat for _, word in served.words()} == {False}


def test_the_heartbeat_moves_with_verdicts_too(served):
    """A PLC that is busy with verdicts still sees it in its time."""
    for number in range(1, 40):
        served.part(25 * number, number, 25 * number + 20)
    served.run(1_000)
    times = [at for (at, word), (_, before) in zip(served.words()[1:], served.words(), strict=False) if word.heartbeat is not before.heartbeat]
    assert max(b - a for a, b in itertools.pairwise(times)) <= 130


def test_alarm_overrun_and_run_permit_are_shown_at_once_in_coils_and_flags(served):
    board = served.board
    served.at(110, lambda: board.__setitem__(Cell.ALARMS, 1 << Alarm.PLC_LINK))
    served.at(210, lambda: board.__setitem__(Cell.ALARMS, 1 << Alarm.OVERRUN))
    served.at(310, lambda: (board.__setitem__(Cell.ALARMS, 0), board.__setitem__(Cell.STOPPED_BY_RULE, Stopped.RULE)))
    served.run(410)
    now = {at: next((word.alarm, word.overrun, word.run_permit) for when, word in reversed(served.words()) if when < at) for at in (110, 210, 310, 409)}
    assert now == {110: (False, False, True), 210: (True, False, True), 310: (True, True, True), 409: (False, False, False)}
    flags = [decode_report(what).flags for kind, begun, _, what in served.link.log if kind == "registers" and begun - served.began < 409 * MS]
    seen = [flag for at, flag in enumerate(flags) if at == 0 or flags[at - 1] != flag]
    good = Flag.READY | Flag.RUN_PERMIT
    assert seen == [good, good | Flag.ALARM, good | Flag.ALARM | Flag.OVERRUN, Flag.READY]


@pytest.mark.parametrize(("behind", "overrun"), [(8, False), (9, True)])
def test_overrun_says_that_the_plc_is_behind(served, behind, overrun):
    served.plc.section = served.plc.section.model_copy(update={"poll": SimpleNamespace(ack_behind=8)})
    served.board[Cell.ACK_BEHIND] = behind
    served.run(150)
    assert {word.overrun for _, word in served.words()[:-1]} == {overrun}


# -- what the supervisor says -------------------------------------------------


def test_forced_coils_are_written_again_with_each_heartbeat_end_by_themselves_and_pass_no_part(served):
    """With each heartbeat: a link that is lost is noticed. The PLC that is forced sees no heartbeat of the line's."""
    served.at(110, lambda: served.say(do="force", word=0b100, number=4))
    served.run(2_300)
    forced = [at for at, word in served.words() if word.alarm]
    assert forced == [110, *range(200, 2_200, 100)]
    assert served.plc.said[0] == {"tell": "forced", "number": 4, "error": "", "began": True}
    assert served.plc.said[1]["tell"] == "unforced"
    released = [word for at, word in served.words() if at == 2_110]
    assert (released[0].result, released[0].ready, released[0].run_permit) == (Result.NONE, False, False)
    assert released[-1].ready
    assert served.board[Cell.HEARTBEATS] == 2 + 2, "none while they were forced"


def test_a_part_that_comes_while_coils_are_forced_ends_it_and_is_no_pass(served):
    served.at(110, lambda: served.say(do="force", word=0b100, number=1))
    served.part(150, 1, 170)
    served.run(250)
    assert served.verdicts() == [(150, Result.REJECT, 1)]
    assert [word.alarm for at, word in served.words() if at >= 150] == [False] * len([1 for at, _ in served.words() if at >= 150])


@pytest.mark.parametrize(("command", "why"), [("unforce", "ended by a person"), ("reset", "reset")])
def test_a_person_ends_what_is_forced(served, command, why):
    served.at(110, lambda: served.say(do="force", word=0b100, number=1))
    served.at(150, lambda: served.say(do=command))
    served.run(190)
    assert served.plc.said[1] == {"tell": "unforced", "why": why}
    assert [word.alarm for at, word in served.words() if at == 150], "at once"
    assert {word.alarm for at, word in served.words() if at >= 150} == {False}


@pytest.mark.parametrize("command", ["stop", "something of a later version"])
def test_what_ends_nothing_does_not_end_what_is_forced_and_the_end_of_plc_does(served, command):
    served.at(110, lambda: served.say(do="force", word=0b100, number=1))
    served.at(150, lambda: served.say(do=command))
    served.run(190)
    assert served.plc.said[1] == {"tell": "unforced", "why": "plc stops"}
    assert served.link.coils[-1] == 0


@pytest.mark.parametrize("reason", [Reason.NONE, Reason.DEFECT])
def test_coils_that_were_forced_show_no_verdict_of_before_when_it_is_over(served, reason):
    served.part(20, 1, 30, reason)
    served.at(60, lambda: setattr(served.plc.forcing, "announced_ns", served.began - 3_000 * MS))  # it is quiet
    served.at(61, lambda: served.say(do="force", word=0b10, number=1))
    served.at(80, lambda: served.say(do="unforce"))
    served.run(90)
    after = [(word.result, word.sequence) for at, word in served.words()[:-1] if at >= 80]
    assert after and set(after) == {(Result.NONE, 1)}


def test_a_reset_clears_the_stop_and_another_recipe_is_taken(served):
    served.board[Cell.STOPPED_BY_RULE] = Stopped.RULE
    served.at(110, lambda: served.say(do="reset"))
    served.at(120, lambda: served.say(do="recipe", recipe=RECIPE.model_copy(update={"id": 7}).model_dump_json()))
    served.run(200)
    assert served.board[Cell.STOPPED_BY_RULE] == 0
    assert served.plc.account.recipe.id == 7


# -- the doorbells ------------------------------------------------------------


def test_a_judgement_that_is_seen_before_its_announcement_meets_its_part(served):
    """select looks at one pipe after the other: acquire and inspection wrote in between."""

    def announced_behind_its_back(*_):
        ready = served.select(*_)
        judgements = served.plc.stage.fds["judgements_r"]
        return [judgements] if judgements in ready else ready

    fds, part = served.plc.stage.fds, (served.began + 20 * MS)
    seen = Announcement(0, 0, 0, 1, 1, part, part, part + DEADLINE_MS * MS)
    judged = Judgement(True, Reason.NONE, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 3, b"")
    served.at(20, lambda: (os.write(fds["announcements_w"], seen.pack()), os.write(fds["judgements_w"], judged.pack())))
    served.plc.wait.does = announced_behind_its_back
    served.run(200)
    assert [result for _, result, _ in served.verdicts()] == [Result.PASS]
