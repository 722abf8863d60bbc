"""What goes into one transaction, and what comes again."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from aoi_daemon.config.limits import Template
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.messages import Reason
from aoi_daemon.recorder import session as session_module
from aoi_daemon.recorder.flight import Frame
from aoi_daemon.recorder.inbox import BEFORE_START, KILLED, Job, Moment, Row
from aoi_daemon.recorder.products import Products
from aoi_daemon.recorder.session import Line, Session
from aoi_daemon.records import audit, queries
from aoi_daemon.records.database import DATABASE, RecordsError, open_reader, writing
from aoi_daemon.records.parts import Gap
from aoi_daemon.ring.events import Event
from tests.unit.recorder.conftest import SIZE, picture, section
from tests.unit.records.conftest import NOON, make_outcome

LINE = Line("f" * 32, "line-1", ("top", "side"))


@pytest.fixture
def opened(tmp_path, log):
    """`opened(first=...)`: a session on one folder; `read(query function, ...)` asks it."""
    sessions = []

    def make(first=True, recipes=(), run="f" * 32, **keys):
        while sessions:
            sessions.pop().close()
        sessions.append(Session(
            tmp_path / "records", section(**keys), LINE._replace(run=run), Products(recipes), log, first=first, now_s=NOON
        ))  # fmt: skip
        return sessions[0]

    yield make
    while sessions:
        sessions.pop().close()


@pytest.fixture
def read(tmp_path):
    def ask(question, *arguments):
        with closing(open_reader(tmp_path / "records")) as connection:
            return question(connection, *arguments)

    return ask


def rows(*numbers, reason=Reason.NONE, lost=""):
    return [Row(make_outcome(number, reason), NOON + number, lost) for number in numbers]


def numbers(read):
    return [part.part for part in read(queries.parts_after, 0, 999)]


def job(part, why="reject", template=False, camera=0, around=0, cause="", recipe=1, fov=0):
    frame = Frame(camera, picture(part % 250).reshape(-1), picture(99).reshape(-1))
    frame.shape, frame.has_template, frame.number, frame.fov = (SIZE, SIZE, 1), template, 41, fov
    return Job(frame, why, NOON, part, recipe, cause, around)


def test_what_was_new_is_told_and_recorded(opened, read):
    session = opened()
    assert session.last_part == 0
    assert [row.outcome.part for row in session.commit(rows(1, 2, 3), [], [], []).new] == [1, 2, 3]
    assert (session.last_part, numbers(read)) == (3, [1, 2, 3])


def test_after_a_restart_it_goes_on_after_the_last(opened, read):
    opened().commit(rows(1, 2, 3), [Moment(Event(1, 0, "line", {}), NOON)], [], [])
    session = opened()
    assert session.last_part == 3
    done = session.commit(rows(2, 3, 4), [Moment(Event(n, 0, "line", {}), NOON) for n in (1, 2)], [], [])
    assert [row.outcome.part for row in done.new] == [4] and done.again == []
    assert numbers(read) == [1, 2, 3, 4]
    assert read(queries.gaps, 0.0) == []
    assert [event.number for event in read(queries.events_after, 0, 9)] == [1, 2]


def test_parts_that_were_overwritten_are_a_gap(opened, read):
    session = opened()
    session.commit(rows(1, 2, 7), [], [], [])
    (gap,) = read(queries.gaps, 0.0)
    assert (gap.what, gap.first_part, gap.last_part, gap.parts) == ("rows", 3, 6, 4)
    assert gap.why == "overwritten before they were read"
    assert opened().last_part == 7


def test_one_part_that_was_overwritten_is_a_gap_too(opened, read):
    opened().commit(rows(1, 3), [], [], [])
    (gap,) = read(queries.gaps, 0.0)
    assert (gap.first_part, gap.last_part, gap.parts) == (2, 2, 1)


def test_a_number_that_comes_twice_is_said(opened, read):
    session = opened()
    session.commit(rows(1, 2), [], [], [])
    assert [row.outcome.part for row in session.commit(rows(2, 3), [], [], []).new] == [3]
    (gap,) = read(queries.gaps, 0.0)
    assert (gap.first_part, gap.last_part, gap.why) == (2, 2, "a second part of this number")


def test_another_run_counts_from_one(opened, read):
    opened().commit(rows(1, 2), [], [], [])
    opened(run="e" * 32).commit(rows(1), [], [], [])
    assert [part.uid[:2] + str(part.part) for part in read(queries.parts_after, 0, 9)] == ["ff1", "ff2", "ee1"]


def test_an_error_leaves_nothing_of_the_batch(opened, read, monkeypatch):
    session = opened()
    session.commit(rows(1), [], [], [])
    monkeypatch.setattr(session, "_row", lambda part: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        session.commit(rows(2, 3), [], [], session.file(job(2)))
    assert (session.last_part, numbers(read)) == (1, [1])


def test_a_reject_has_its_picture_and_its_template(opened, read, tmp_path):
    session = opened()
    session.commit(rows(1, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1, template=True)))
    (part,) = read(queries.parts_after, 0, 9)
    image = cv2.imread(str(tmp_path / "records" / part.image), cv2.IMREAD_UNCHANGED)
    assert (image == 1).all()
    assert (cv2.imread(str(tmp_path / "records" / part.template), cv2.IMREAD_UNCHANGED) == 99).all()
    assert [i.kind for i in read(queries.images_of, part.id)] == ["frame", "template"]


def test_without_templates_none_is_kept(opened, read):
    session = opened(templates=False)
    session.commit(rows(1, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1, template=True)))
    assert read(queries.parts_after, 0, 9)[0].template is None


def recipe_with(template: Path) -> Recipe:
    return Recipe(id=1, name="r", bundle=Path("b"), width_px=SIZE, height_px=SIZE, templates=(Template(fov=2, image=template),))


def test_a_recipes_template_is_copied_once(opened, read, tmp_path):
    """What the recipe names may be replaced tomorrow; the part was compared with today's."""
    file = tmp_path / "golden.png"
    cv2.imwrite(str(file), np.full((SIZE, SIZE), 55, np.uint8))
    session = opened(recipes=[recipe_with(file)])
    session.commit(rows(1, 2, 3, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1, fov=2)) + session.file(job(2, fov=2)) + session.file(job(3, fov=9)))
    first, second, third = read(queries.parts_after, 0, 9)
    assert first.template == second.template != None and third.template is None  # noqa: E711
    assert (cv2.imread(str(tmp_path / "records" / first.template), cv2.IMREAD_UNCHANGED) == 55).all()


def test_a_template_that_was_replaced_is_read_again_once_the_recipe_has_changed(opened, read, tmp_path):
    file = tmp_path / "golden.png"
    cv2.imwrite(str(file), np.full((SIZE, SIZE), 55, np.uint8))
    session = opened(recipes=[recipe_with(file)])
    session.commit(rows(1, 2, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1, fov=2)))
    cv2.imwrite(str(file), np.full((SIZE, SIZE), 66, np.uint8))
    session.forget_templates()
    session.commit([], [], [], session.file(job(2, fov=2)))
    kept = [cv2.imread(str(tmp_path / "records" / part.template), cv2.IMREAD_UNCHANGED) for part in read(queries.parts_after, 0, 9)]
    assert [int(image[0, 0]) for image in kept] == [55, 66]


def test_a_recipes_template_that_is_gone_costs_itself_alone(opened, read, tmp_path, log):
    session = opened(recipes=[recipe_with(tmp_path / "none.png")])
    session.commit(rows(1, 2), [], [], [])
    session.commit([], [], [], session.file(job(1, fov=2)) + session.file(job(2, fov=2)))
    assert [part.image is not None for part in read(queries.parts_after, 0, 9)] == [True, True]
    assert log.names() == ["template_not_kept"], "once, not for each part"


def test_what_was_around_a_fault_is_found_with_it(opened, read):
    session = opened()
    session.commit(rows(1, 2), [], [], [])
    filed = session.file(job(1, "around", around=2, cause="LATE")) + session.file(job(0, "around", around=2, cause="LATE"))
    session.commit([], [], [], filed)
    own, other = read(queries.images_of, 2)
    assert (own.part_id, other.part_id, own.cause) == (1, None, "LATE")
    assert [image.kind for image in (own, other)] == ["context", "context"]
    assert other.file.endswith("-top-frame00000041.png")


def test_after_a_kill_a_picture_that_is_missing_is_written_and_one_that_is_there_is_not(opened, read):
    session = opened()
    session.commit(rows(1, 2, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1)))
    session = opened()
    assert session.file(job(1)) == []
    assert len(session.file(job(1, camera=1))) == 1, "the other camera's view of it"
    session.commit(rows(1, 2, reason=Reason.DEFECT), [], [], session.file(job(2)))
    assert all(part.image for part in read(queries.parts_after, 0, 9))


def test_a_picture_that_a_killed_recorder_had_in_its_hands_is_said_to_be_lost(opened):
    """Its part is recorded, its frame has left the ring meanwhile."""
    session = opened()
    session.commit(rows(1, 2, 3, reason=Reason.DEFECT), [], [Gap("images", 3, 3, 1, NOON, "the disk is full")], [])
    session.commit([], [], [], session.file(job(1)))
    again = opened().commit(rows(1, 2, 3, reason=Reason.DEFECT, lost=BEFORE_START), [], [], []).again
    assert [(row.outcome.part, row.lost) for row in again] == [(2, KILLED)]


@pytest.mark.parametrize(("at", "again"), [(NOON - 60.0, []), (NOON - 59.5, [1])])
def test_only_what_a_recorder_killed_within_the_last_minute_held_is_mended(opened, at, again):
    opened().commit(rows(1, reason=Reason.DEFECT), [], [], [])
    (row,) = rows(1, reason=Reason.DEFECT, lost=BEFORE_START)
    assert [each.outcome.part for each in opened().commit([row._replace(at=at)], [], [], []).again] == again


def test_parts_from_before_the_database_was_begun_are_said_to_be_so(opened, read):
    opened().commit(rows(5), [], [], [])
    (gap,) = read(queries.gaps, 0.0)
    assert (gap.first_part, gap.last_part, gap.why) == (1, 4, "from before this database was begun")


def test_a_picture_without_its_row_is_removed_at_the_start_and_not_when_a_session_begins_anew(opened, tmp_path):
    """After an error of the disk the pictures in hand are still to be recorded."""
    session = opened()
    session.commit(rows(1, 2, reason=Reason.DEFECT), [], [], [])
    (filed,) = session.file(job(1))
    session = opened(first=False)
    assert (tmp_path / "records" / filed.image.file).exists()
    session.file(job(2))
    opened()
    assert list((tmp_path / "records" / "images").rglob("*.png")) == []


def test_a_picture_whose_row_is_there_is_not_taken_for_one_in_hand(opened, tmp_path):
    session = opened()
    session.commit(rows(1, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1)))
    assert (tmp_path / "records" / "incoming" / "list").read_text() == ""


def test_only_a_restarted_recorder_expects_parts_again(opened, read):
    opened().commit(rows(1, 2), [], [], [])
    opened(first=False).commit(rows(1, 2), [], [], [])
    assert {(gap.first_part, gap.why) for gap in read(queries.gaps, 0.0)} == {(n, "a second part of this number") for n in (1, 2)}


def test_a_session_that_cannot_begin_leaves_nothing_open(opened, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no room for the list")

    before = set(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(session_module, "Pictures", refuse)
    with pytest.raises(OSError, match="no room for the list"):
        opened()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_a_session_that_was_closed_has_nothing_open(opened):
    opened()
    one = len(os.listdir("/proc/self/fd"))
    opened()
    assert len(os.listdir("/proc/self/fd")) == one


def test_a_template_is_recorded_with_its_own_size(opened, read, tmp_path):
    file = tmp_path / "golden.png"
    cv2.imwrite(str(file), np.full((SIZE + 8, SIZE + 4), 55, np.uint8))
    session = opened(recipes=[recipe_with(file)])
    session.commit(rows(1, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1, fov=2)))
    frame, template = read(queries.images_of, 1)
    assert (frame.width_px, frame.height_px) == (SIZE, SIZE)
    assert (template.width_px, template.height_px) == (SIZE + 4, SIZE + 8)
    assert template.size_bytes == (tmp_path / "records" / template.file).stat().st_size


def test_a_template_of_more_than_8_bits_is_kept_as_it_was_judged_by(opened, read, tmp_path, log):
    file = tmp_path / "golden.png"
    cv2.imwrite(str(file), np.full((SIZE, SIZE), 2048, np.uint16))
    recipe = recipe_with(file)
    recipe = recipe.model_copy(update={"templates": (Template(fov=2, image=file, bits=12),)})
    session = opened(recipes=[recipe])
    session.commit(rows(1, reason=Reason.DEFECT), [], [], [])
    session.commit([], [], [], session.file(job(1, fov=2)))
    assert log.names() == []
    (part,) = read(queries.parts_after, 0, 9)
    assert (cv2.imread(str(tmp_path / "records" / part.template), cv2.IMREAD_UNCHANGED) == 128).all()


def test_a_disk_that_fails_is_told_as_it_failed_though_the_picture_is_gone_too(opened, tmp_path, monkeypatch):
    session = opened()

    def gone(job):
        for file in (tmp_path / "records" / "images").rglob("*.png"):
            file.unlink()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(session, "_template", gone)
    with pytest.raises(OSError, match="Input/output error"):
        session.file(job(1, template=True))


def test_a_folder_that_was_taken_away_is_noticed(opened, tmp_path):
    session = opened()
    session.look()
    (tmp_path / "records").rename(tmp_path / "away")
    with pytest.raises(RecordsError, match="is gone"):
        session.look()


def test_a_template_that_finds_no_room_takes_its_picture_with_it(opened, tmp_path):
    session = opened()
    (tmp_path / "records" / "templates").write_text("in the way")
    with pytest.raises(OSError, match="templates"):
        session.file(job(1, template=True))
    assert list((tmp_path / "records" / "images").rglob("*.png")) == []


def test_the_rows_of_each_table_are_counted_from_what_is_there(opened):
    """0 where a table is empty."""
    session = opened()
    assert session.newest_rows() == session.oldest_rows() == {"parts": 0, "images": 0, "events": 0, "gaps": 0}
    assert session.newest_part_s() is None
    session.commit(rows(1, 2, 7), [Moment(Event(n, 0, "line", {}), NOON) for n in (1, 2)], [], session.file(job(2)))
    assert session.newest_rows() == {"parts": 3, "images": 1, "events": 2, "gaps": 1}
    assert session.oldest_rows() == {"parts": 1, "images": 1, "events": 1, "gaps": 1}
    session.commit([row._replace(at=NOON - 500) for row in rows(8)], [], [], [])
    assert session.newest_part_s() == NOON - 500, "of the newest row, whatever its clock said"


def test_a_database_is_known_by_the_first_run_that_it_has_seen(opened):
    assert opened(run="e" * 32).identity() == "e" * 32
    assert opened(run="f" * 32).identity() == "e" * 32


def audited(*numbers):
    return [Moment(Event(number, 0, "audit", {"by": "anna", "what": "reload"}), NOON) for number in numbers]


def heads(log):
    return [fields["row"] for event, fields in log.events if event == "audit_head"]


@pytest.fixture
def clock(monkeypatch):
    """CLOCK_MONOTONIC, s, as the session reads it: [the time]."""
    now_s = [5000.0]
    monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    return now_s


def test_the_head_of_the_audit_is_told_at_once_then_each_hour_and_at_the_end(opened, log, clock):
    """Only where it is another."""
    session = opened()
    assert heads(log) == [], "of an audit without a row"
    session.commit([], audited(1), [], [])
    assert heads(log) == [1]
    clock[0] += 3599.9
    session.commit([], audited(2, 3), [], [])
    assert heads(log) == [1]
    clock[0] += 0.1
    session.commit([], [Moment(Event(4, 0, "line", {}), NOON)], [], [])
    assert heads(log) == [1], "nobody has acted"
    session.commit([], [*audited(5), Moment(Event(6, 0, "line", {}), NOON)], [], [])
    assert heads(log) == [1, 4]
    session.commit([], audited(7), [], [])
    assert heads(log) == [1, 4]
    opened()
    assert heads(log) == [1, 4, 5, 5], "as it was closed, and as it was opened"
    hashes = [fields["hash"] for event, fields in log.events if event == "audit_head"]
    assert len(set(hashes)) == 3 and hashes[-1] == hashes[-2]
    opened()
    assert heads(log) == [1, 4, 5, 5, 5], "not once more as it was closed without a new row"


def test_the_head_is_told_by_a_machine_that_was_just_started(opened, log, clock):
    clock[0] = 0.0
    opened().commit([], audited(1), [], [])
    assert heads(log) == [1]


def test_a_database_whose_audit_cannot_be_read_leaves_nothing_open(opened, monkeypatch):
    """The disk has gone: neither as it is closed, which says nothing of it, nor as it is opened again."""
    before = set(os.listdir("/proc/self/fd"))
    opened()

    def gone(_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(session_module.audit, "head", gone)
    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        opened()
    assert set(os.listdir("/proc/self/fd")) <= before


def test_another_database_in_the_place_of_the_one_that_was_opened_is_noticed(opened, tmp_path):
    session = opened()
    file = tmp_path / "records" / DATABASE
    (tmp_path / "other").write_bytes(file.read_bytes())
    (tmp_path / "other").replace(file)
    with pytest.raises(RecordsError, match="is gone, or another file lies there; a new one is begun"):
        session.look()


def test_each_part_is_of_the_product_that_it_was_judged_as(opened, read):
    session = opened()
    first, second, third = rows(1, 2, 3)
    third = third._replace(outcome=third.outcome._replace(recipe=third.outcome.recipe + 1))
    session.commit([first, second], [], [], [])
    session.commit([third], [], [], [])
    recipes = [part.recipe for part in read(queries.parts_after, 0, 9)]
    assert recipes == ["recipe 1", "recipe 1", "recipe 2"]


def test_an_event_that_retention_has_removed_does_not_come_back(opened, read):
    """The ring may hold it still; a row of the audit would be chained anew, as if it had just been done."""
    session = opened()
    events = [Moment(Event(number, 0, kind, {}), NOON) for number, kind in ((1, "line"), (2, "audit"), (3, "line"))]
    session.commit([], events, [], [])
    with writing(session._connection):
        audit.forget(session._connection, NOON + 1)
    again = [*events, Moment(Event(4, 0, "line", {}), NOON)]
    session.commit([], again, [], [])
    assert [event.number for event in read(queries.events_after, 0, 9)] == [4]
    opened().commit([], again, [], [])
    assert [event.number for event in read(queries.events_after, 0, 9)] == [4]


def test_a_picture_in_hand_is_one_until_its_row_is_written(opened, tmp_path):
    """What is committed meanwhile does not hide it: it would lie there for ever if the recorder were killed now."""
    session = opened()
    session.commit(rows(1, reason=Reason.DEFECT), [], [], [])
    (filed,) = session.file(job(1))
    session.commit(rows(2), [], [], [])
    assert filed.image.file in (tmp_path / "records" / "incoming" / "list").read_text()
    opened()
    assert not (tmp_path / "records" / filed.image.file).exists()


@pytest.mark.parametrize("why", ["reject", "around"])
@pytest.mark.parametrize("camera", [0, 1])
def test_a_picture_is_recorded_with_all_that_is_known_of_it(opened, tmp_path, why, camera):
    wanted = job(7, why, camera=camera, cause="LATE", around=3)
    wanted.frame.shape = (SIZE, SIZE // 2, 1)
    ((image, part, around),) = opened(templates=False).file(wanted)
    name = LINE.cameras[camera]
    assert (image.at, image.camera, image.why, image.cause) == (NOON, name, why, "LATE")
    assert (image.kind, part, around) == ("context" if why == "around" else "frame", 7, 3)
    assert (image.width_px, image.height_px) == (SIZE // 2, SIZE)
    assert image.file.endswith(f"/{'f' * 8}-00000007-{name}.png")
    assert image.size_bytes == (tmp_path / "records" / image.file).stat().st_size


def test_a_part_is_recorded_with_its_time_and_the_camera_that_took_it(opened, read):
    first, second = rows(1, 2)
    opened().commit([first, second._replace(outcome=second.outcome._replace(camera=1))], [], [], [])
    assert [(part.at, part.camera) for part in read(queries.parts_after, 0, 9)] == [(NOON + 1, "top"), (NOON + 2, "side")]


def test_what_retention_removes_is_counted_where_it_was_asked_to(tmp_path, log):
    counted = []
    removed = SimpleNamespace(add=lambda *what: counted.append(what[:3]))
    session = Session(
        tmp_path / "records", section(days_images=1, days_records=1), LINE, Products(()), log,
        first=True, now_s=NOON, removed=removed,
    )  # fmt: skip
    try:
        session.commit(rows(1, 2), [], [], [])
        for _ in range(9):
            session.retention.bite(NOON + 9 * 86_400)
        assert ("age", "parts", 2) in counted
    finally:
        session.close()
