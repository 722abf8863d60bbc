"""Faults of the daemon and of the PLC program, put back one at a time. Each was once there, or nearly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aoi_daemon.inspection.lanes import Lanes
from aoi_daemon.messages import ANNOUNCEMENT, JUDGEMENT, Announcement, Judgement, Reason
from aoi_daemon.plc import main
from aoi_daemon.plc.account import Account
from aoi_daemon.plc.face import Face
from aoi_daemon.plc.link import PlcLink
from aoi_daemon.plc.main import Plc
from aoi_daemon.plc.parts import Part, Parts
from aoi_daemon.plc.readiness import Readiness
from aoi_daemon.plc.report import registers_of
from aoi_daemon.plcmap import program
from aoi_daemon.plcmap.registers import Flag
from aoi_daemon.ring.doorbell import drain
from tools.simulation.faults import Kind

Patch = pytest.MonkeyPatch


def the_time_left_is_taken_once_for_two_requests(patch: Patch) -> None:
    def send(self: Plc, part: Part, reason: Reason, line_ready: bool) -> bool:
        left_s = (part.deadline_ns - self._now_ns()) / 1e9
        if self.section.registers is not None:
            report = registers_of(
                part, self.face.result, reason, self.board, flags=self._flags(line_ready),
                feedback=self.account.feedback, now_ns=self._now_ns(),
            )  # fmt: skip
            self.face.judged(report)
            if not self._write_report(self.section.registers.base, report, left_s):
                return False
        return self._write(self._word(line_ready), left_s)

    patch.setattr(Plc, "_send", send)


def in_the_program(patch: Patch, was: str, becomes: str) -> None:
    text = program.track()
    assert text.count(was) == 1, was
    patch.setattr(program, "track", lambda: text.replace(was, becomes))


def not_ready_leaves_the_slot_open(patch: Patch) -> None:
    in_the_program(patch, "AGAINST := NOT GO OR (PASS AND REJECT);", "AGAINST := PASS AND REJECT;")


def a_word_without_a_verdict_does_not_move_the_sequence(patch: Patch) -> None:
    in_the_program(
        patch, "IF (AHEAD > 0) AND (AHEAD < 128) THEN", "IF (AHEAD > 0) AND (AHEAD < 128) AND (PASS OR REJECT) THEN"
    )


def it_reconnects_without_back_off(patch: Patch) -> None:
    down = PlcLink._down

    def at_once(self: PlcLink, error: Any) -> None:
        down(self, error)
        self.retry_ns = 0

    patch.setattr(PlcLink, "_down", at_once)


def a_pass_is_shown_again_by_the_next_heartbeat(patch: Patch) -> None:
    """Its registers took so long that its coils were not begun: it stays what the face shows."""

    def gives_none(self: Plc, number: int) -> None:
        self.face.number, self.owes_nothing = number, False

    patch.setattr(Plc, "_gives_none", gives_none)


def a_new_connection_begins_with_what_the_registers_showed(patch: Patch) -> None:

    def safe_report(self: Face) -> list[int]:
        return [*self._report[:5], 0, *self._report[6:]] and self.report(Flag(0))

    patch.setattr(Face, "safe_report", safe_report)


def the_heartbeat_goes_on_while_inspection_stands(patch: Patch) -> None:
    patch.setattr(Readiness, "all_move", lambda self, now_ns: True)


def views_of_two_parts_are_exchanged(patch: Patch) -> None:
    """A judgement is taken for that of the view after it."""
    judge = Parts.judge

    def shifted(self: Parts, judgement: Any) -> None:
        before, self.held = getattr(self, "held", judgement), judgement
        judge(self, before._replace(sequence=judgement.sequence, camera=judgement.camera))

    patch.setattr(Parts, "judge", shifted)


def views_are_matched_whatever_their_time(patch: Patch) -> None:
    patch.setattr(Parts, "_is_of", lambda self, view, part: True)


def a_part_passes_by_the_first_of_its_views(patch: Patch) -> None:
    judge = Parts.judge

    def at_once(self: Parts, judgement: Any) -> None:
        judge(self, judgement)
        part, key = self._by_view.get((judgement.camera, judgement.sequence), (None, None))
        if part is not None and key is not None and judgement.passed and part.reason is None:
            self._decide(part, Reason.NONE, key)

    patch.setattr(Parts, "judge", at_once)


def the_verdict_of_another_sequence_is_recorded(patch: Patch) -> None:
    outcome = Account.outcome

    def of_the_part_before(self: Account, *about: Any) -> Any:
        found = outcome(self, *about)
        before, self.held = getattr(self, "held", found), found
        return found._replace(passed=before.passed, reason=before.reason)

    patch.setattr(Account, "outcome", of_the_part_before)


def the_record_is_of_another_view(patch: Patch) -> None:
    outcome = Account.outcome
    patch.setattr(Account, "outcome", lambda self, *about: (found := outcome(self, *about))._replace(sequence=max(1, found.sequence - 1)))


def the_announcements_are_read_before_the_judgements(patch: Patch) -> None:
    """A judgement that comes between the two reads meets no part."""

    def read(ready: Any, announcements: int, judgements: int, knows: Any, read: Any) -> Any:
        announced = list(drain(announcements, Announcement.unpack, ANNOUNCEMENT.size, read))
        judged = list(drain(judgements, Judgement.unpack, JUDGEMENT.size, read))
        return announced, judged

    patch.setattr(main, "read_doorbells", read)


def the_announcements_are_read_only_where_the_wait_saw_them(patch: Patch) -> None:
    """The wait looked before the judgement that is read, and before its announcement."""

    def read(ready: Any, announcements: int, judgements: int, knows: Any, read: Any) -> Any:
        judged = list(drain(judgements, Judgement.unpack, JUDGEMENT.size, read)) if judgements in ready else []
        announced = drain(announcements, Announcement.unpack, ANNOUNCEMENT.size, read) if announcements in ready else []
        return list(announced), judged

    patch.setattr(main, "read_doorbells", read)


def the_views_of_a_part_are_judged_by_the_answer_of_one_lane(patch: Patch) -> None:
    """What one lane found good counts for the views of the others."""
    judge = Parts.judge

    def for_all(self: Parts, judgement: Any) -> None:
        part, _ = self._by_view.get((judgement.camera, judgement.sequence), (None, None))
        if part is not None and judgement.passed and part.reason is None:
            part.judged |= dict.fromkeys(part.views, judgement)
        judge(self, judgement)

    patch.setattr(Parts, "judge", for_all)


def a_change_goes_on_when_one_lane_has_answered(patch: Patch) -> None:
    """Lane 0 itself is the one: what the others say to `live` and `retire` is not waited for."""
    answers = Lanes.answers

    def of_one(self: Lanes, awaited: Any) -> Any:
        return [] if awaited.word in ("lane_live", "lane_retired") else answers(self, awaited)

    patch.setattr(Lanes, "answers", of_one)


def a_lane_that_hangs_is_not_looked_at(patch: Patch) -> None:
    patch.setattr(Lanes, "slowest_ns", lambda self, now_ns: now_ns)


def the_end_of_a_lane_is_not_seen(patch: Patch) -> None:
    patch.setattr(Lanes, "check", lambda self: None)


def a_camera_has_no_lane(patch: Patch) -> None:
    """The last lane leaves one out."""
    from tools.simulation import judging

    patch.setattr(judging, "cameras_of", lambda lane, lanes, cameras: range(lane, cameras - 1, lanes))


FAULTS: tuple[Callable[[Patch], None], ...] = (
    the_time_left_is_taken_once_for_two_requests,
    not_ready_leaves_the_slot_open,
    a_word_without_a_verdict_does_not_move_the_sequence,
    it_reconnects_without_back_off,
    a_pass_is_shown_again_by_the_next_heartbeat,
    a_new_connection_begins_with_what_the_registers_showed,
    the_heartbeat_goes_on_while_inspection_stands,
    views_of_two_parts_are_exchanged,
    views_are_matched_whatever_their_time,
    a_part_passes_by_the_first_of_its_views,
    the_verdict_of_another_sequence_is_recorded,
    the_record_is_of_another_view,
)
ORDERS: tuple[Callable[[Patch], None], ...] = (
    the_announcements_are_read_before_the_judgements,
    the_announcements_are_read_only_where_the_wait_saw_them,
)
"""In which plc must not read its doorbells."""
LANES: tuple[tuple[Callable[[Patch], None], Kind], ...] = (
    (the_views_of_a_part_are_judged_by_the_answer_of_one_lane, Kind.LANE_SLOW),
    (a_change_goes_on_when_one_lane_has_answered, Kind.LANE_CHANGEOVER),
    (a_lane_that_hangs_is_not_looked_at, Kind.LANE_HANGS),
    (the_end_of_a_lane_is_not_seen, Kind.LANE_DIES),
    (a_camera_has_no_lane, Kind.LANE_DIES),
)
"""Of several lanes, each with the kind of fault by which it is looked for."""
