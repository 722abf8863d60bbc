"""The page says so when what it shows is old: the daemon gone, hung, or the network cut. And it comes back by itself."""

from __future__ import annotations

import os
import signal

import pytest

from aoi_daemon.kit.line.daemon import wait_for

from .blocking_proxy import Wire
from .conftest import until

WITHIN_MS = 2000


def link(page):
    return page.evaluate("document.body.dataset.link ?? 'ok'")


def wait_link(page, state, timeout_ms=WITHIN_MS):
    until(page, "state => (document.body.dataset.link ?? 'ok') == state", arg=state, timeout_ms=timeout_ms)


def assert_old(page, words, what=".live"):
    assert page.is_visible("#banner")
    assert words in page.inner_text("#banner")
    box = page.locator("#banner").bounding_box()
    assert box["x"] == 0
    assert box["width"] == page.viewport_size["width"]
    assert "grayscale" in page.evaluate("getComputedStyle(document.querySelector('.page " + what + "')).filter")
    assert page.get_attribute("#tiles", "data-age").endswith(" s")


def test_a_killed_daemon_is_said_within_two_seconds_and_the_page_comes_back(short_line, tab, picture):
    window = tab(url=short_line.url)
    page = window.open("/")
    page.wait_for_selector("#strip .good", state="attached")
    short_line.daemon.process.kill()
    wait_link(page, "lost")
    assert_old(page, "No connection")
    picture(page, "lost-panel-en")
    short_line.daemon.process.wait()
    short_line.daemon.restart()
    short_line.wait_served()
    wait_link(page, "ok", 15_000)
    page.wait_for_selector("#strip .good", state="attached", timeout=15_000)
    window.complaints.clear()  # that nobody answered is the browser's to complain of


def test_a_hanging_supervisor_is_said_within_two_seconds(line, tab, picture):
    page = tab(language="zh").open("/")
    os.kill(line.daemon.process.pid, signal.SIGSTOP)
    try:
        wait_link(page, "hung")
        assert_old(page, "监控程序无响应", ".told")
        assert page.evaluate("getComputedStyle(document.querySelector('#strip')).filter") == "none"  # parts are judged on
        picture(page, "hung-panel-zh")
    finally:
        os.kill(line.daemon.process.pid, signal.SIGCONT)
    wait_link(page, "ok", 5000)


def test_a_hanging_page_process_is_said_within_two_seconds(line, tab):
    page = tab().open("/alarms")
    pid = line.daemon.status()["beside"]["hmi"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_link(page, "lost")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_link(page, "ok", 15_000)


def test_a_cut_network_is_said_within_two_seconds_and_the_page_comes_back(line, tab):
    with Wire(line.port) as wire:
        window = tab(url=f"http://127.0.0.1:{wire.port}")
        page = window.open("/")
        wire.cut()
        wait_link(page, "lost")
        assert_old(page, "No connection")
        # Long enough for the browser to give the connection up, and for the server to forget this page.
        until(page, "Number(document.querySelector('#tiles').dataset.age.split(' ')[0]) >= 8", timeout_ms=12_000)
        assert link(page) == "lost"
        wire.mend()
        wait_link(page, "ok", 15_000)
        until(page, "document.querySelector('.pictures')?.dataset.part", timeout_ms=15_000)
        window.complaints.clear()
        window.context.close()


@pytest.mark.long
def test_a_connection_that_died_and_told_nobody_is_replaced_by_another(line, tab):
    """As a firewall leaves one that it has forgotten."""
    with Wire(line.port) as wire:
        window = tab(url=f"http://127.0.0.1:{wire.port}")
        page = window.open("/")
        wire.forget()
        wait_link(page, "lost")
        wait_link(page, "ok", 40_000)  # Chromium has up to five more of them in its pool
        window.complaints.clear()
        window.context.close()


def test_a_wire_that_brings_all_later_shows_no_old_figures_as_new(line, tab):
    """As a proxy does that collects what it passes on: by when they arrive, the beats would be fresh."""
    with Wire(line.port) as wire:
        window = tab(url=f"http://127.0.0.1:{wire.port}")
        page = window.open("/")
        wire.delay(2.6)
        wait_link(page, "lost")
        beats = page.inner_text("#clock")
        until(page, "was => document.querySelector('#clock').textContent != was", arg=beats)  # they come, and steadily
        for _ in range(20):
            assert link(page) == "lost"
            page.wait_for_timeout(100)
        until(page, "Number(document.querySelector('#tiles').dataset.age.split(' ')[0]) >= 2")
        wire.delay(0.0)
        wait_link(page, "ok", 15_000)
        window.complaints.clear()
        window.context.close()


def seen_by(line):
    return line.daemon.status()["beside"]["hmi"]["clients"]


HIDE = """hidden => { Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
    document.dispatchEvent(new Event('visibilitychange')); }"""


def test_a_tab_behind_another_listens_no_more_and_is_true_again_when_it_is_in_front(line, tab):
    window = tab()
    page = window.open("/")
    before = wait_for(lambda: seen_by(line), 5, "the page")
    page.evaluate(HIDE, True)
    wait_for(lambda: seen_by(line) == before - 1, 5, "the stream's end")
    at = page.inner_text("#clock")
    page.wait_for_timeout(2500)
    assert page.inner_text("#clock") == at
    page.evaluate(HIDE, False)
    until(page, "was => document.querySelector('#clock').textContent != was", arg=at, timeout_ms=WITHIN_MS)
    wait_link(page, "ok")
    until(page, "was => Number(document.querySelector('.pictures').dataset.part) > was", arg=1)


def test_ten_tabs_of_one_browser_are_served_when_those_behind_listen_no_more(line, tab):
    window = tab()
    first = window.open("/")
    first.evaluate(HIDE, True)
    for _ in range(9):
        window.page = window.context.new_page()
        window.open("/alarms").evaluate(HIDE, True)
    first.evaluate(HIDE, False)
    wait_link(first, "ok")


def test_a_logout_in_one_tab_is_one_in_all(tab):
    window = tab()
    window.log_in("anna")
    other = window.open("/alarms")
    window.page = window.context.new_page()
    window.open("/").click("form[action='/logout'] button")
    until(other, "document.querySelector('a[href^=\"/login\"]')")
    assert other.locator("[data-do=acknowledge]").count() == 0


def test_a_page_whose_script_does_not_come_says_itself_that_it_is_old(line, tab):
    """The figures come with the page, the script after it: between the two the network may be gone."""
    window = tab()
    page = window.open("/")
    assert page.evaluate("getComputedStyle(document.querySelector('#banner')).display") == "none"
    page.route("**/page.js*", lambda route: route.abort())
    page.goto(window.url)
    until(page, "getComputedStyle(document.querySelector('#banner')).visibility == 'visible'", timeout_ms=WITHIN_MS)
    assert "No connection" in page.evaluate("getComputedStyle(document.querySelector('#banner'), '::after').content")
    assert "grayscale" in page.evaluate("getComputedStyle(document.querySelector('#strip')).filter")
    window.complaints.clear()


@pytest.mark.long
def test_where_pictures_come_more_slowly_than_parts_the_verdicts_go_on(line, tab):
    with Wire(line.port) as wire:
        window = tab(url=f"http://127.0.0.1:{wire.port}")
        page = window.open("/")
        until(page, "document.querySelector('.pictures').dataset.part")
        wire.delay(0.5)
        for _ in range(4):
            shown = page.get_attribute(".pictures", "data-part")
            until(page, "was => document.querySelector('.pictures').dataset.part != was", arg=shown, timeout_ms=4000)
        wire.delay(0.0)
        window.complaints.clear()
        window.context.close()


def test_a_tap_that_a_proxy_refuses_is_said_and_the_next_one_is_done(tab):
    window = tab()
    page = window.open("/rejects")
    page.route("**/page/tap", lambda route: route.fulfill(status=403, content_type="text/html", body="<h1>Forbidden</h1>"))
    window.tap("filter", "all")
    until(page, "document.querySelector('.toast.refused')?.textContent.includes('403')")
    page.unroute("**/page/tap")
    window.tap("filter", "all")
    until(page, "document.querySelector('#filter-all').getAttribute('aria-pressed') == 'true'")
    window.complaints.clear()


@pytest.mark.long
def test_a_stream_that_began_slowly_is_not_taken_for_a_hanging_supervisor(line, tab):
    """Its first beat says how late a beat may be at the most: where that is much, another stream knows better."""
    page = tab().open("/alarms")
    pid = line.daemon.status()["beside"]["hmi"]["pid"]
    page.evaluate(HIDE, True)
    os.kill(pid, signal.SIGSTOP)
    try:
        page.evaluate(HIDE, False)
        page.wait_for_timeout(900)
    finally:
        os.kill(pid, signal.SIGCONT)
    page.wait_for_timeout(7000)
    seen = []
    for _ in range(30):
        seen.append(link(page))
        page.wait_for_timeout(100)
    assert seen == ["ok"] * 30
