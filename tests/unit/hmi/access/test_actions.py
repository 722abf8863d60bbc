"""Each action: only for who may, only as often as a hand, in the audit, and never in the event loop's way."""

import asyncio

import pytest

from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.hmi.access.roles import Action, Denial, Refused
from aoi_daemon.hmi.api.control import Desk
from aoi_daemon.messages import Outcome
from aoi_daemon.records.database import open_reader, open_writer, writing
from aoi_daemon.records.parts import Product, insert_part, product_id, run_id
from aoi_daemon.stage.board import Cell

from .conftest import line_config


class Hands:
    """The actions, and a session of each user."""

    def __init__(self, backend, people, clock) -> None:
        self.backend = backend
        self.actions = backend.actions
        self.sessions = {name: backend.access.sessions.begin(user, clock())[1] for name, user in people.items()}

    def do(self, what: str, name: str | None, *arguments):
        """One action by `name`, once the audit has it too."""

        async def act():
            session = None if name is None else self.sessions[name]
            try:
                return await getattr(self.actions, what)(session, *arguments)
            finally:
                await self.backend.desk.drain()

        return asyncio.run(act())

    def refused(self, what: str, name: str | None, *arguments) -> Refused:
        with pytest.raises(Refused) as refused:
            self.do(what, name, *arguments)
        return refused.value


@pytest.fixture
def hands(backend_of, people, clock):
    made = Hands(backend_of(line_config()), people, clock)
    yield made
    made.backend.desk.close()


@pytest.mark.parametrize(
    ("what", "arguments", "request_"),
    [
        ("acknowledge", ("CAMERA_LOST",), {"do": "acknowledge", "alarm": "CAMERA_LOST"}),
        ("acknowledge", (), {"do": "acknowledge"}),
        ("reset", (), {"do": "reset"}),
        ("reload", (), {"do": "reload"}),
        ("change_recipe", (7,), {"do": "recipe", "id": 7}),
        ("force", (0b1001,), {"do": "force", "word": 9}),
        ("unforce", (), {"do": "unforce"}),
    ],
)
def test_the_daemon_is_asked_with_who_and_by_what(hands, daemon, what, arguments, request_):
    assert hands.do(what, "anna", *arguments).ok
    assert daemon.asked == [{**request_, "by": "Anna (maintenance)", "via": "page"}]


def test_what_the_daemon_refuses_is_a_result_with_its_words(hands, daemon):
    daemon.answers["reload"] = {"ok": False, "error": "line.toml: plc.port = 99999: ..."}
    found = hands.do("reload", "anna")
    assert not found.ok and found.text == "line.toml: plc.port = 99999: ..."


def test_a_reload_says_what_changed(hands, daemon):
    daemon.answers["reload"] = {"ok": True, "changed": ["plc", "recipes/demo"]}
    assert hands.do("reload", "anna").text == "reloaded: plc, recipes/demo"
    daemon.answers["reload"] = {"ok": True, "changed": []}
    assert hands.do("reload", "anna").text == "reloaded: nothing had changed"


def test_nobody_and_the_wrong_role_are_refused_and_the_daemon_is_not_asked(hands, daemon):
    assert hands.refused("reload", None).denial is Denial.LOGIN
    assert daemon.asked == []
    assert hands.refused("reload", "leo").denial is Denial.ROLE
    assert [request["do"] for request in daemon.asked] == ["audit"]


def test_a_refused_user_is_in_the_audit(hands, daemon):
    hands.refused("force", "mei", 1)
    (line,) = daemon.of("audit")
    assert (line["what"], line["by"], line["ok"], line["via"]) == ("force", "mei (quality)", False, "page")
    assert "not for the role quality" in line["detail"]


def test_refusals_do_not_flood_the_audit(hands, daemon):
    for _ in range(50):
        hands.refused("reload", "leo")
    assert len(daemon.of("audit")) == 10


def test_an_ended_session_is_refused_at_the_next_tap(hands, daemon, clock):
    clock.pass_s(3600)
    assert hands.refused("acknowledge", "leo").denial is Denial.LOGIN
    assert daemon.of("acknowledge") == []


@pytest.mark.parametrize("alarm", [Alarm.RESTART_BUDGET, Alarm.GOLDEN_FAILED])
def test_a_fault_is_reset_by_maintenance_alone(hands, daemon, board, alarm):
    board[Cell.ALARMS] = mask_of(Alarm.STOP_RULE, Alarm.PLC_LINK)
    assert hands.do("reset", "leo").ok
    board[Cell.ALARMS] = mask_of(Alarm.STOP_RULE, alarm)
    assert hands.actions.needed_to_reset() is Action.RESET_FAULT
    assert hands.refused("reset", "leo").denial is Denial.ROLE
    assert hands.do("reset", "anna").ok
    assert [request["by"] for request in daemon.of("reset")] == ["leo (operator)", "Anna (maintenance)"]


@pytest.mark.parametrize(
    ("what", "arguments", "problem"),
    [
        ("acknowledge", ("NO_SUCH",), "alarm = 'NO_SUCH': there is no such alarm"),
        ("change_recipe", (0,), "id = 0: must be a whole number from 1 to 65535"),
        ("change_recipe", (65_536,), "id = 65536"),
        ("change_recipe", ("7",), "id = '7'"),
        ("change_recipe", (True,), "id = True"),
        ("force", (-1,), "word = -1: must be a whole number from 0 to 65535"),
        ("force", (65_536,), "word = 65536"),
        ("force", (1.0,), "word = 1.0"),
        ("review", (0, "defect"), "part_id = 0"),
        ("review", (1 << 63, "defect"), "part_id = 9223372036854775808"),
        ("review", (1, "scratch"), "verdict = 'scratch': must be defect, false_call or none"),
        ("review", (1, "defect", "x" * 501), "note: at most 500 characters"),
        ("review", (1, "defect", "\x1b[2J"), "note: at most 500 characters of text"),
        ("review", (1, "defect", "\ud800"), "note: at most 500 characters of text"),
    ],
)
def test_wrong_values_are_refused_with_the_bound_and_the_daemon_is_not_asked(hands, daemon, what, arguments, problem):
    refused = hands.refused(what, "anna", *arguments)
    assert refused.denial is Denial.INPUT and problem in str(refused)
    assert daemon.asked == []


def test_a_stuck_finger_is_slowed_and_told_for_how_long(hands, daemon, clock):
    for _ in range(10):
        hands.do("acknowledge", "leo")
    refused = hands.refused("acknowledge", "leo")
    assert refused.denial is Denial.TOO_OFTEN and 0 < refused.wait_s < 0.51
    assert hands.do("acknowledge", "anna").ok, "another user is not slowed"
    clock.pass_s(1)
    assert hands.do("acknowledge", "leo").ok


def test_forcing_coils_may_be_renewed_as_often_as_it_must(hands, daemon, clock):
    for _ in range(60):
        hands.do("force", "anna", 1)
        clock.pass_s(0.5)
    assert len(daemon.of("force")) == 60


def test_a_daemon_that_is_not_there_is_said(hands):
    refused = hands.refused("reset", "anna")
    assert refused.denial is Denial.UNREACHABLE and "no daemon listens" in str(refused)


def test_a_daemon_that_hangs_holds_up_its_asker_alone(hands, daemon, monkeypatch):
    """The loop goes on while a request waits for its time-out."""
    daemon.silent.set()
    monkeypatch.setattr("aoi_daemon.hmi.api.actions._QUICK_S", 0.5)

    async def scenario() -> int:
        asking = asyncio.create_task(hands.actions.acknowledge(hands.sessions["leo"]))
        turns = 0
        while not asking.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(Refused, match="no answer within"):
            await asking
        return turns

    assert asyncio.run(scenario()) > 100


def test_no_more_than_a_few_requests_wait_for_a_daemon_that_hangs(tmp_path, daemon):
    daemon.silent.set()
    desk = Desk(tmp_path / "control.sock")

    async def scenario() -> list[object]:
        return await asyncio.gather(*(desk.ask({"do": "status"}, 0.2) for _ in range(40)), return_exceptions=True)

    found = [str(each) for each in asyncio.run(scenario())]
    desk.close()
    assert sum("much is waiting" in text for text in found) == 24
    assert sum("no answer within" in text for text in found) == 16


def test_an_audit_that_the_daemon_does_not_take_is_in_the_log(hands, caplog, monkeypatch):
    lines = []
    monkeypatch.setattr(hands.backend.desk, "_log", type("Log", (), {"warning": lambda _, event, **keys: lines.append((event, keys))})())
    hands.refused("reload", "leo")
    ((event, keys),) = lines
    assert event == "audit_not_kept" and keys["by"] == "leo (operator)" and "no daemon listens" in keys["error"]


class TestReview:
    @pytest.fixture
    def records(self, tmp_path):
        """Records with one rejected part (1) and one that passed (2)."""
        connection = open_writer(tmp_path / "records", create=True)
        product = Product(1, "demo", "", (), 0.0)
        with writing(connection):
            run, row = run_id(connection, "r", "line-7", 0.0), product_id(connection, product)
            for part, passed in ((1, False), (2, True)):
                outcome = Outcome(part, passed, int(not passed), 0, -1, 0, 1, 0, part, 0, 0, 0, *[1] * 8, b"")
                insert_part(connection, outcome, run=run, at=0.0, camera="top", product=product, product_row=row)
        connection.close()
        return tmp_path / "records"

    @pytest.fixture
    def hands(self, backend_of, people, clock, records):
        config = line_config().model_copy(update={"recorder": RecorderSection(folder=records)})
        made = Hands(backend_of(config), people, clock)
        yield made
        made.backend.desk.close()

    def rows(self, records):
        connection = open_reader(records)
        found = [tuple(row) for row in connection.execute("SELECT part_id, by, verdict, note FROM reviews")]
        connection.close()
        return found

    def test_a_review_is_written_and_in_the_audit(self, hands, daemon, records):
        assert hands.do("review", "leo", 1, "false_call", "dust\non the board").ok
        assert self.rows(records) == [(1, "leo (operator)", "false_call", "dust\non the board")]
        (line,) = daemon.of("audit")
        assert line["what"] == "review" and line["ok"] and line["detail"].startswith("part 1: false_call")

    def test_the_last_tap_counts_and_none_takes_it_back(self, hands, daemon, records):
        hands.do("review", "leo", 1, "false_call")
        hands.do("review", "mei", 1, "defect")
        assert self.rows(records) == [(1, "mei (quality)", "defect", "")]
        hands.do("review", "mei", 1, None)
        assert self.rows(records) == []
        assert len(daemon.of("audit")) == 3

    @pytest.mark.parametrize(("part", "problem"), [(99, "no part with the id 99"), (2, "part 2 passed")])
    def test_what_cannot_be_reviewed_is_said_and_in_the_audit(self, hands, daemon, part, problem):
        found = hands.do("review", "leo", part, "defect")
        assert not found.ok and problem in found.text
        assert daemon.of("audit")[0]["ok"] is False

    def test_records_that_are_not_there_are_said(self, hands, daemon, records):
        (records / "records.sqlite").unlink()
        found = hands.do("review", "leo", 1, "defect")
        assert not found.ok and "no such file" in found.text

    def test_a_review_goes_on_when_the_daemon_does_not_answer(self, hands, records):
        assert hands.do("review", "leo", 1, "defect").ok
        assert self.rows(records)


def test_without_a_recorder_a_review_is_refused(hands, daemon):
    refused = hands.refused("review", "leo", 1, "defect")
    assert refused.denial is Denial.STATE and "no [recorder]" in str(refused)
