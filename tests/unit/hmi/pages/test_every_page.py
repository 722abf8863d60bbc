"""Every page with names that would be markup: they stay text, and nothing is left that a strict policy would refuse."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.datastructures import QueryParams

import aoi_daemon.hmi
from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.decide.alarms import AlarmState
from aoi_daemon.golden.manifest import Golden
from aoi_daemon.hmi.access.page import login_page
from aoi_daemon.hmi.access.roles import Action, Denial, Refused
from aoi_daemon.hmi.api.actions import Result
from aoi_daemon.hmi.api.routes import Backend
from aoi_daemon.hmi.pages import alarms, commissioning, find, overview, part, recipe, rejects, report
from aoi_daemon.hmi.pages import help as help_page
from aoi_daemon.hmi.shifts.times import shift_at
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.markup.svg import element
from aoi_daemon.messages import Proof, Reason
from aoi_daemon.plcmap.registers import Status
from aoi_daemon.records.reviews import review
from aoi_daemon.ring.events import Event
from aoi_daemon.stage.board import Cell, Link
from aoi_daemon.texts.words import LANGUAGES, Words

from .conftest import MS, NOON, RUN, outcome

EVIL = """</b></button><script>alert('1')</script><img src=x onerror="alert(2)">&lt;"""
TEMPLATES = Path(aoi_daemon.hmi.__file__).parent / "templates"
BUILDS = (overview, rejects, find, part, alarms, report, recipe, commissioning, help_page)


class Shown:
    """What a page's module is given, without a browser; `html` is all that it has sent."""

    def __init__(self, site: Site, language: str, may: frozenset[Action]) -> None:
        self.site, self.words, self._may = site, Words(language), may
        self.session = None
        # Wherever this runs, the shift that the parts below fell into.
        label = shift_at(NOON, site.config.hmi.shifts).label
        self.request = SimpleNamespace(query_params=QueryParams({"shift": label}), path_params={"uid": f"{RUN}-4"})
        self.html: list[str] = []
        self.handlers = {}

    def may(self, action):
        return action in self._may

    def for_role(self, role):
        return element("p", self.words("only_role", role=self.words(role)))

    def problem(self, text):
        return element("p", text)

    def refusal(self, refused):
        return str(refused)

    def cell(self, name, render, kind="", tag="div"):
        return element(tag, render(self.site, self.words), id=name, class_=kind)

    def show(self, html):
        self.html.append(html)

    def put(self, name, html):
        self.html.append(html)

    def run(self, call, *arguments):
        self.html += [html for html in arguments[1:] if call == "open"]

    def say(self, text, *, ok):
        pass

    def on(self, what, handler):
        self.handlers[what] = handler


class Parsed(HTMLParser):
    """The elements, their attributes and the text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def site(make_stage, records, monkeypatch, tmp_path):
    """A line with every state that the pages have something to say of, and a name in each place that takes one."""
    monkeypatch.setattr("time.time", lambda: NOON + 3600)
    stage = make_stage(recorder={"folder": str(records.folder)}, plc={"registers": {"base": 7}})
    backend = Backend.of(stage)
    found = Site(stage, backend)
    found.recipe = found.recipe.model_copy(update={"name": EVIL, "accept_unproven": EVIL})
    found.classes = (EVIL, EVIL)
    backend.metrics.source.facts = {"recorder": {"state": EVIL}, "notifier": {"state": EVIL}}
    board = stage.board
    board[Cell.ALARMS], board[Cell.LINK], board[Cell.PROVEN] = mask_of(Alarm.PLC_LINK), Link.UP, Proof.ACCEPTED
    board[Cell.PLC_STATUS], board[Cell.FORCED], board[Cell.DEADLINE_MISSES] = Status.BYPASS, 5, 1
    body = {"name": "PLC_LINK", "state": AlarmState.UNACKNOWLEDGED.value, "priority": "HIGH", "detail": EVIL, "by": EVIL}
    for event in (Event(1, MS, "alarm", body), Event(2, MS, "alarm", body | {"name": EVIL, "priority": EVIL})):
        found.live.events.append(event)
        found.live.alarm_log.add(event)
    parts = [outcome(1), outcome(2, Reason.DEFECT), outcome(3, Reason.LATE)]
    found.live.parts.add(parts)
    found.count(parts)
    for number in range(4):
        row = records.add(number + 1, Reason.DEFECT)
        records.add_picture(row, f"images/{number}.png")
    review(records.writer, row, "defect", by=EVIL, at=NOON)
    records.event(1, NOON + 5, "line", now="RECOVERING", because=EVIL)
    records.event(2, NOON + 6, "alarm", name=EVIL, state=EVIL, event="the condition came", detail=EVIL)
    product = found.recipe.model_copy(update={"id": 7})
    golden = Golden(tmp_path)
    monkeypatch.setattr(recipe, "_products", lambda _: [recipe._Product(one, golden) for one in (found.recipe, product)])
    yield found
    backend.desk.close()


async def shown(build, site, language, may, monkeypatch) -> list[str]:
    """All that `build`'s page sends, also for its taps."""
    page = Shown(site, language, may)
    if build is find:
        page.request.query_params = QueryParams({"review": "defect", "recipe": "demo"})
        await build.build(page)
        page.request.query_params = QueryParams({"recipe": EVIL[:90], "class": EVIL[:90]})
        await build.build(page)
        page.request.query_params = QueryParams({EVIL: EVIL})
    made = build.build(page)
    if made is not None:
        await made
    if build is rejects:
        for which in ("all", "older", "newest"):
            await page.handlers["filter"](which)
        for part_id in range(1, 9):
            await page.handlers["zoom-part"](str(part_id))

    async def no(*_):
        raise Refused(Denial.INPUT, EVIL)

    async def done(*_):
        return Result(True, "", {"changed": [EVIL]})

    for answer in (no, done):
        for name in ("reload", "force", "change_recipe"):
            monkeypatch.setattr(site.actions, name, answer)
        for what in {"reload", "recipe", "force"} & page.handlers.keys():
            await page.handlers[what]("1")
    return page.html


@pytest.mark.parametrize("may", [frozenset(), frozenset(Action)], ids=["looks", "may"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__.rpartition(".")[2])
def test_a_name_stays_text_and_nothing_needs_more_than_a_strict_policy_gives(build, language, may, site, monkeypatch):
    html = asyncio.run(shown(build, site, language, may, monkeypatch))
    page = Parsed("".join(html))
    assert all(not isinstance(one, str) or hasattr(one, "__html__") for one in html), "a str would be escaped again"
    assert not {"script", "style", "iframe", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    assert "&lt;/b" not in page.text, "it is escaped twice"
    assert build is overview or EVIL[:50] in page.text + "".join(str(value) for _, value in page.attributes)


def test_the_head_of_every_page_too(site):
    for language in LANGUAGES:
        for cell in (cells.head_state, cells.head_alarms, cells.bypass_banner):
            page = Parsed(cell(site, Words(language)))
            assert page.text.strip() and "style" not in dict(page.attributes)


@pytest.mark.parametrize("records_kept", [True, False])
def test_a_page_of_records_that_are_not_there_says_so(make_stage, tmp_path, records_kept, monkeypatch):
    sections = {"recorder": {"folder": str(tmp_path / "none")}} if records_kept else {}
    backend = Backend.of(stage := make_stage(**sections))
    site = Site(stage, backend)
    for build in (rejects, report, find, part):
        page = Shown(site, "en", frozenset())
        page.request.query_params = QueryParams()
        asyncio.run(build.build(page))
        said = Parsed("".join(page.html)).text
        assert ("no such folder" if records_kept else "No records are kept") in said
    backend.desk.close()


def test_the_login_page_has_no_script_and_one_style():
    page = Parsed(login_page(EVIL, "en", after=EVIL, denial=Denial.TOO_OFTEN))
    assert page.tags.count("style") == 1 and "script" not in page.tags and "img" not in page.tags
    assert dict(page.attributes)["value"] == EVIL


def test_every_template_is_used():
    folder = TEMPLATES.parent
    sources = "\n".join(file.read_text() for file in [*folder.rglob("*.py"), *TEMPLATES.rglob("*.html")])
    names = [file.relative_to(TEMPLATES).as_posix() for file in TEMPLATES.rglob("*.*")]
    assert not [name for name in names if f'"{name}"' not in sources]


def test_no_template_marks_anything_as_safe():
    assert not [file for file in TEMPLATES.rglob("*.*") if "safe" in file.read_text() or "autoescape" in file.read_text()]


def test_help_is_there_while_too_much_waits_for_a_disk(make_stage, monkeypatch):
    async def busy(*_):
        raise Refused(Denial.UNREACHABLE)

    backend = Backend.of(stage := make_stage())
    site = Site(stage, backend)
    monkeypatch.setattr(site, "read", busy)
    page = Shown(site, "en", frozenset())
    asyncio.run(help_page.build(page))
    assert stage.setup.run in Parsed("".join(page.html)).text
    backend.desk.close()
