"""Each order has one answer, one audit and its consequences; what cannot be answered waits, or counts by its latest word."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.reload import ReloadPlan
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.stage.board import Cell
from aoi_daemon.supervisor import orders as under_test
from aoi_daemon.supervisor.order import Result, Step
from aoi_daemon.supervisor.orders import Orders

SECOND = 1_000_000_000


class Under:
    """A changeover that is finished where a test says so."""

    def __init__(self):
        self.busy, self.step, self.orders, self.looked = False, Step.IDLE, [], 0

    def begin(self, order):
        assert not self.busy, "one at a time"
        self.busy, self.step = True, Step.PROVING
        self.orders.append(order)

    def look(self, now):
        self.looked += 1


class Bench:
    """Orders of a line with the products 1 demo (in use), 2 other and 3 third, which ends where `line` says so."""

    def __init__(self, board, monkeypatch, kept=None):
        self.log, self.told, self.events = [], [], []
        self.board = board
        board[Cell.ASKED_RECIPE] = -1
        monkeypatch.setattr(under_test, "logger", lambda: SimpleNamespace(
            info=lambda event, **facts: self.log.append((event, facts)), error=lambda event, **facts: self.log.append((event, facts)),
        ))  # fmt: skip
        cameras = [{"name": name, "kind": "replay", "source": "images"} for name in ("left", "right")]
        recipes = {
            name: Recipe.model_validate({"id": number, "name": f"board-{number}", "bundle": "b", "width_px": 64, "height_px": 64})
            for number, name in enumerate(("demo", "other", "third"), 1)
        }  # fmt: skip
        self.configuration = Configuration(Path("line.toml"), LineConfig.model_validate({"cameras": cameras, "line": {"recipe": "demo"}}), recipes)
        self.restarted, self.plc_takes = [], True
        self.keeper = SimpleNamespace(
            board=board, configuration=self.configuration, cameras=["acquire-0", "acquire-1"], plc="plc",
            restart=self.restarted.append, tell_plc=self._tell_plc, pair=SimpleNamespace(),
        )  # fmt: skip
        self.alarms = SimpleNamespace(said={}, plc_said={}, conditions=SimpleNamespace(ack_behind=None))
        self.written, self.audits, self.writes_audits = [], [], True
        self.beside = []
        self.orders = Orders(
            keeper=self.keeper, alarms=self.alarms, kept=kept, setup=lambda *_: None, sleep=lambda _: None,
            attendants=SimpleNamespace(
                want=lambda new: self.beside.append("want"), restart=lambda names: self.beside.append(("restart", *sorted(names))),
                hand=lambda **command: self.beside.append(command["do"]),
            ),
            chronicle=SimpleNamespace(audit=self._audit),
            notices=SimpleNamespace(
                reloading=lambda now: self.events.append("reloading"), reloaded=lambda line, error="": self.events.append(("reloaded", error)),
            ),
            file=SimpleNamespace(write=self.written.append),
            proofs=SimpleNamespace(grace=None, landed=lambda old, new: self.events.append("landed")),
            clock=SimpleNamespace(now_ns=lambda: SECOND),
        )  # fmt: skip
        self.orders.changeover = self.under = Under()
        self.ends = []

    def _tell_plc(self, recipe):
        self.told.append(recipe.name)
        return self.plc_takes

    def _audit(self, what, by, via, *, ok=True, detail="", changed=()):
        self.audits.append((what, by, via, ok, detail))
        return self.writes_audits

    def client(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.settimeout(0)
        self.ends += [ours, theirs]
        return ours, theirs

    def order(self, wanted):
        """A person's order of a product; the end on which that person waits."""
        ours, theirs = self.client()
        self.orders.recipe(ours, wanted, "anna", "page")
        return theirs

    def reload(self):
        ours, theirs = self.client()
        self.orders.reload(ours, "anna", "page")
        return theirs

    def ends_with(self, error="", **more):
        """The change under way has landed, or was refused."""
        order = self.under.orders[-1]
        self.under.busy = False
        if not error and order.product:
            self.orders._land(self.keeper.configuration.with_product(order.product), more.get("plan", ReloadPlan()))
        self.orders._done(Result(order, error, **more))

    def plc_asks(self, number):
        self.board[Cell.ASKED_RECIPE] = number
        self.orders.look(SECOND)


@pytest.fixture
def bench(board, monkeypatch):
    """`bench(kept)`"""
    made = []

    def make(kept=None):
        made.append(Bench(board, monkeypatch, kept))
        return made[-1]

    yield make
    for one in made:
        for end in one.ends:
            end.close()


def heard(client):
    """The one answer that there is."""
    found = json.loads(client.recv(100_000))
    with pytest.raises(BlockingIOError):
        client.recv(1)
    return found


def silent(client):
    with pytest.raises(BlockingIOError):
        client.recv(1)


@pytest.mark.parametrize("wanted", [2, "other", "board-2"])
def test_a_product_is_ordered_by_its_number_or_its_name_and_answered_when_it_has_landed(bench, wanted):
    line = bench()
    client = line.order(wanted)
    silent(client)
    line.ends_with(switch_ms=1.25)
    answer = heard(client)
    assert (answer["ok"], answer["message"], answer["switch_ms"]) == (True, "recipe 2 other is in use", 1.25)
    assert line.audits == [("recipe", "anna", "page", True, "recipe 2 other is in use; switched in 1.2 ms")]
    assert line.written[-1].recipe == "other"


@pytest.mark.parametrize("wanted", [7, "nothing", "", True, 2.0, None, [2]])
def test_a_product_that_there_is_not_is_refused_with_those_that_there_are(bench, wanted):
    """And a typing error raises no alarm."""
    line = bench()
    answer = heard(line.order(wanted))
    assert (answer["ok"], answer["unknown"]) == (False, True)
    assert answer["error"].endswith("(there: 1 demo, 2 other, 3 third)")
    assert line.under.orders == []
    assert line.alarms.said == {}


def test_a_name_that_two_products_have_is_nobodys(bench):
    line = bench()
    both = line.keeper.configuration.recipes["third"].model_copy(update={"name": "board-2"})
    line.keeper.configuration = replace(line.configuration, recipes={**line.configuration.recipes, "third": both})
    assert not heard(line.order("board-2"))["ok"]
    assert line.under.orders == []


def test_what_is_in_use_is_not_proven_again(bench):
    line = bench()
    assert heard(line.order("demo"))["message"] == "demo is in use already"
    assert line.under.orders == line.audits == []


def test_a_persons_order_during_another_is_refused_and_the_first_goes_on(bench):
    """Who ordered has not seen what came of the first."""
    line = bench()
    first = line.order(2)
    for second in (line.order(3), line.reload()):
        answer = heard(second)
        assert not answer["ok"]
        assert Step.PROVING.value in answer["error"]
    assert [audit[3] for audit in line.audits] == [False, False]
    silent(first)
    line.ends_with()
    assert heard(first)["ok"]


def test_a_reload_by_signal_waits_until_the_change_under_way_is_over(bench):
    line = bench()
    line.order(2)
    line.orders.signalled()
    assert line.events == ["reloading"], "the service manager hears at once"
    line.orders.look(SECOND)
    assert len(line.under.orders) == 1
    line.ends_with()
    for _ in range(3):
        line.orders.look(SECOND)
    assert [(order.what, order.by, order.via) for order in line.under.orders[1:]] == [("reload", "root", "signal")]


def test_of_what_the_plc_asks_during_a_change_the_latest_counts(bench):
    line = bench()
    line.plc_asks(2)
    for number in (3, 1, 3):
        line.plc_asks(number)
    line.ends_with()
    line.orders.look(SECOND)
    assert [order.product for order in line.under.orders] == ["other", "third"]
    assert {(order.by, order.via, order.client) for order in line.under.orders} == {("PLC", "plc", None)}


@pytest.mark.parametrize("asked", [-1, 0, 1])
def test_no_wish_and_the_product_in_use_begin_nothing(bench, asked):
    line = bench()
    line.plc_asks(asked)
    assert line.under.orders == line.audits == []


def test_a_wish_of_the_plc_is_one_however_often_it_is_read_and_outlasts_a_restart_of_the_service(bench):
    """Else a product that a person chose since would be taken back by it."""
    line = bench()
    for _ in range(5):
        line.plc_asks(9)
    assert len(line.audits) == 1
    assert line.alarms.plc_said[Alarm.CONFIG_REFUSED].startswith("recipe 9: there is none")
    again = bench(line.written[-1])
    again.plc_asks(9)
    assert again.audits == []
    again.plc_asks(2)
    assert [order.product for order in again.under.orders] == ["other"]


def test_a_refused_reload_is_an_alarm_until_one_lands_and_the_service_manager_is_told(bench):
    line = bench()
    client = line.reload()
    line.ends_with("line.toml: plc.port = 0")
    assert heard(client)["error"] == "line.toml: plc.port = 0"
    assert line.alarms.said == {Alarm.CONFIG_REFUSED: "line.toml: plc.port = 0"}
    assert (line.board[Cell.RELOADS], line.board[Cell.RELOADS_REFUSED]) == (0, 1)
    assert line.events == ["reloading", ("reloaded", "line.toml: plc.port = 0")]
    client = line.reload()
    line.ends_with(plan=ReloadPlan(changed=("plc",), notes=("a note",)))
    answer = heard(client)
    assert (answer["changed"], answer["notes"]) == (["plc"], ["a note"])
    assert line.alarms.said == {}
    assert (line.board[Cell.RELOADS], line.board[Cell.RELOADS_REFUSED]) == (1, 1)


def test_a_reload_that_found_nothing_says_so(bench):
    line = bench()
    client = line.reload()
    line.ends_with()
    assert heard(client)["message"] == "nothing had changed"


def test_a_persons_product_ends_the_alarm_that_it_differs(bench):
    line = bench()
    line.alarms.said[Alarm.PRODUCT_DIFFERS] = "demo is gone"
    line.reload()
    line.ends_with()
    assert Alarm.PRODUCT_DIFFERS in line.alarms.said, "a reload has not asked what the line works by"
    line.order(2)
    line.ends_with()
    assert line.alarms.said == {}


def test_what_lands_is_told_to_everybody_but_inspection_and_kept(bench):
    line = bench()
    line.order(2)
    line.ends_with(plan=ReloadPlan(restart_acquire=frozenset({1}), restart_off_path=frozenset({"recorder"})))
    assert line.keeper.configuration.in_use == "other"
    assert line.restarted == ["acquire-1"]
    assert line.told == ["board-2"]
    assert line.beside == ["want", ("restart", "recorder"), "recipe"]
    assert "landed" in line.events


@pytest.mark.parametrize(("restart", "takes", "told"), [(True, True, []), (False, False, ["board-2"])])
def test_a_plc_that_cannot_take_the_recipe_takes_it_at_its_next_start(bench, restart, takes, told):
    line = bench()
    line.plc_takes = takes
    line.order(2)
    line.ends_with(plan=ReloadPlan(restart_plc=restart))
    assert (line.restarted, line.told) == (["plc"], told)


def test_the_first_start_writes_down_what_is_in_use(bench):
    """So that the next start takes nothing for an upgrade, and no other recipe for this one."""
    line = bench()
    assert [(kept.recipe, kept.start, kept.asked, kept.version) for kept in line.written] == [("demo", "demo", 0, 2)]
    assert bench(line.written[0]).written == []


def test_a_plc_whose_acts_are_left_out_of_the_journal_is_left_out_of_the_log_too(bench):
    line = bench()
    line.writes_audits = False
    line.plc_asks(9)
    line.plc_asks(2)
    line.ends_with()
    assert line.log == []
