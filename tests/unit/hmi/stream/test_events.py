"""The stream of a page: the newest of each, however slowly its browser reads, and an end when there is one."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

from markupsafe import Markup

from aoi_daemon.hmi.stream.events import Reload, Stream
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.texts.words import Words


class Line:
    """A site that renders what it is told to; `value` is what the one cell shows."""

    def __init__(self) -> None:
        self.value = 0
        self.access = SimpleNamespace(session_of=lambda _: None)
        self.config = SimpleNamespace(hmi=None)

    def render(self, cell, words: Words) -> Markup:
        return Markup(cell(self, words))


def make_page(line: Line) -> Page:
    page = Page(line, SimpleNamespace(cookies={}), "main")
    page.cell("figure", lambda site, _: Markup(site.value))
    return page


class Browser:
    """The other end of a stream: reads when it likes to."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[dict] = []
        self.ended = False
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.gone = asyncio.Event()
        self.told: list[str] = []

    async def receive(self) -> dict:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict) -> None:
        await self.may_read.wait()
        if message["type"] == "http.response.body":
            self.ended |= not message["more_body"]
            for event in filter(None, message["body"].decode().split("\n\n")):
                self.events.append(json.loads(event.removeprefix("data: ")))

    def open(self, tell=Page.news) -> asyncio.Task[None]:
        stream = Stream(self.page, tell, lambda _: self.told.append("begins"), lambda _: self.told.append("ends"))
        return asyncio.create_task(stream({"type": "http"}, self.receive, self.send))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(work) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))


def test_what_has_changed_since_the_page_was_made_is_sent_at_once_and_then_as_it_comes():
    async def work() -> None:
        line = Line()
        browser = Browser(make_page(line))
        line.value = 1
        stream = browser.open()
        await settle()
        line.value = 2
        browser.page.wake()
        await settle()
        assert browser.events == [{"put": {"figure": "1"}}, {"put": {"figure": "2"}}]
        browser.gone.set()
        await stream
        assert browser.told == ["begins", "ends"] and browser.page.listener is None

    run(work)


def test_one_who_reads_slowly_gets_the_newest_and_nothing_of_what_was_between():
    async def work() -> None:
        line = Line()
        browser = Browser(make_page(line))
        stream = browser.open()
        await settle()
        browser.may_read.clear()
        for value in range(1, 2000):
            line.value = value
            browser.page.put("answer", Markup(value))
            browser.page.say("x" * 1000, ok=True)
            browser.page.wake()
            await asyncio.sleep(0)
        browser.may_read.set()
        await settle()
        # The one that was under way, and the newest.
        assert len(browser.events) <= 3
        assert browser.events[-1]["put"] == {"figure": "1999", "answer": "1999"}
        assert sum(len(event.get("do", ())) for event in browser.events) <= 33
        browser.gone.set()
        await stream

    run(work)


def test_another_stream_of_the_page_takes_the_place_of_the_first_and_gets_all():
    async def work() -> None:
        line = Line()
        page = make_page(line)
        first, second = Browser(page), Browser(page)
        line.value = 1
        old = first.open()
        await settle()
        new = second.open()
        await asyncio.wait_for(old, 5)
        await settle()
        assert first.ended and second.events == [{"put": {"figure": "1"}}]
        assert page.listener is not None and first.told == ["begins"], "the page is still listened to"
        second.gone.set()
        await new

    run(work)


def test_what_was_said_while_nobody_listened_is_there_for_who_comes_back():
    async def work() -> None:
        line = Line()
        browser = Browser(make_page(line))
        browser.page.put("answer", Markup("done"))
        browser.page.run("press", "a", "b")
        stream = browser.open()
        await settle()
        assert browser.events == [{"put": {"answer": "done"}, "do": [["press", "a", "b"]]}]
        browser.gone.set()
        await stream

    run(work)


def test_a_page_that_may_no_longer_be_seen_is_asked_for_anew_and_its_stream_ends():
    async def work() -> None:
        browser = Browser(make_page(Line()))
        await asyncio.wait_for(browser.open(lambda _: None), 5)
        assert browser.ended and browser.events == [{"do": [["reload"]]}]

    run(work)


def test_the_last_word_ends_the_stream():
    async def work() -> None:
        browser = Browser(make_page(Line()))
        await asyncio.wait_for(browser.open(lambda _: {"last": True}), 5)
        assert browser.ended and browser.told == ["begins", "ends"]

    run(work)


def test_a_page_that_is_not_known_is_told_so_as_an_event():
    assert Reload().body == b'data: {"do":[["reload"]]}\n\n'
    assert Reload().headers["content-type"] == "text/event-stream; charset=utf-8"


def test_what_an_element_was_filled_with_comes_again_with_another_stream():
    """The answer to a tap went into a connection that had died: else the page says for ever that it is working."""

    async def work() -> None:
        page = make_page(Line())
        first, second = Browser(page), Browser(page)
        old = first.open()
        await settle()
        for name, text in (("answer", "working"), ("part", "old"), ("answer", "done"), ("part", "new")):
            page.put(name, Markup(text))
        await settle()
        new = second.open()
        await asyncio.wait_for(old, 5)
        await settle()
        assert list(second.events[0]["put"].items()) == [("figure", "0"), ("answer", "done"), ("part", "new")]
        second.gone.set()
        await new

    run(work)


def test_what_another_stream_fills_again_is_bounded():
    page = make_page(Line())
    for number in range(1000):
        page.put(f"part-{number}", Markup("x"))
    page.listen()
    page.listen()
    told = page.news()["put"]
    assert "part-999" in told and len(told) < 50
