"""The page says so when what it shows is old: the daemon gone, hung, or the network cut. And it comes back by itself."""

from __future__ import annotations

import os
import signal

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
