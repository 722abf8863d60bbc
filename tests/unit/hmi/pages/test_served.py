"""The page's process as it is, over HTTP: a page, its stream, its taps, and who may have them."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.hmi import main as hmi_main
from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, change_users
from aoi_daemon.hmi.doors import http as doors_http
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.stage.board import Cell

PASSWORD = "drei rote Lampen am Band"
BOUND_S = 20.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; report-uri /csp-report"
)


class Served:
    """The process in a thread of this one, and a browser's hands."""

    def __init__(self, stage, port: int) -> None:
        self.stage = stage
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=BOUND_S)
        self._thread = threading.Thread(target=lambda: asyncio.run(hmi_main._serve(stage, stage.config.hmi)))
        self._thread.start()
        until(self._answers)

    def _answers(self) -> bool:
        try:
            return self.http.get("/login").status_code == 200
        except httpx.TransportError:
            return False

    def open(self, path: str) -> Opened:
        return Opened(self, self.http.get(path))

    def log_in(self, name: str) -> None:
        answer = self.http.post("/login", data={"name": name, "password": PASSWORD}, headers={"origin": self.url})
        assert answer.status_code == 303, answer.text

    def end(self) -> None:
        self.stage.stopping = True
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()


class Opened:
    """A page as a browser has it."""

    def __init__(self, served: Served, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        self.served = served
        self.answer = answer
        self.id, self.csrf = (re.search(f'data-{name}="([^"]+)"', answer.text)[1] for name in ("page", "csrf"))
        self.number = 0

    def listen(self, **headers):
        return self.served.http.stream("GET", f"/page/events?page={self.id}", headers=headers)

    def tap(self, what: str, arg: str | None = None, **headers: str) -> httpx.Response:
        self.number += 1
        body = {"page": self.id, "number": self.number, "do": what, "arg": arg}
        sent = {"origin": self.served.url, "x-csrf-token": self.csrf, **headers}
        return self.served.http.post("/page/tap", json=body, headers=sent)


def until(condition) -> None:
    end = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def events(stream) -> Iterator[dict]:
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def first(found: Iterator[dict], wanted) -> dict:
    end = time.monotonic() + BOUND_S
    for event in found:
        if wanted(event):
            return event
        assert time.monotonic() < end
    raise AssertionError("the stream has ended")


def calls(event: dict) -> list[str]:
    return [call for call, *_ in event.get("do", ())]


@pytest.fixture
def serve(make_stage, tmp_path):
    """`serve(**hmi)`: the page of a line with two users."""
    started: list[Served] = []

    def start(**hmi) -> Served:
        kept = keep(PASSWORD)
        found = {name: User(name, role, kept) for name, role in (("anna", Role.MAINTENANCE), ("leo", Role.OPERATOR))}
        change_users(tmp_path / "users.toml", lambda users: users.update(found))
        port = free_port(0)
        started.append(Served(make_stage(hmi={"port": port, **hmi}), port))
        return started[-1]

    yield start
    for each in started:
        each.end()
        each.http.close()


PATHS = ("/", "/rejects", "/find", "/parts/none", "/alarms", "/report", "/recipe", "/commissioning", "/help")


def test_every_page_has_the_strict_policy_and_is_kept_by_nobody(serve):
    served = serve()
    for path in PATHS:
        answer = served.open(path).answer
        assert answer.headers["content-security-policy"] == POLICY, path
        assert answer.headers["cache-control"] == "no-store", path
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?! defer src=)|javascript:", answer.text), path
    for path in ("/static/page.js", "/no-such-page", "/page/events?page=x"):
        assert served.http.get(path).headers["content-security-policy"] == POLICY, path


def test_a_stream_beats_and_brings_what_changes(serve):
    served = serve()
    page = served.open("/alarms")
    with page.listen() as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "no-transform" in stream.headers["cache-control"] and stream.headers["x-accel-buffering"] == "no"
        found = events(stream)
        one, two = next(found), next(found)
        assert 0 < two["at"] - one["at"] < 1000 and re.fullmatch(r"\d\d:\d\d:\d\d", one["clock"])
        served.stage.board[Cell.ALARMS] = mask_of(Alarm.OPTICS)
        changed = first(found, lambda event: "alarms" in event.get("put", {}))
        assert 'data-alarm="OPTICS"' in changed["put"]["alarms"]
        until(lambda: served.stage.told[-1]["clients"] == 1)
    until(lambda: served.stage.told[-1]["clients"] == 0)


def test_a_stream_that_begins_again_brings_all_that_the_first_may_have_lost(serve):
    served = serve()
    page = served.open("/alarms")
    with page.listen() as stream:
        assert next(events(stream)).get("put", {}).keys() <= {"head-state"}
    with page.listen() as stream:
        assert next(events(stream))["put"].keys() >= {"alarms", "history", "acts", "head-state", "bypass"}


def test_a_tap_is_answered_by_the_stream(serve):
    served = serve()
    page = served.open("/alarms")
    with page.listen() as stream:
        assert page.tap("reset").status_code == 204
        say = first(events(stream), lambda event: "say" in calls(event))
        assert say["do"][0][1] is False and "Log in first" in say["do"][0][3]


def test_a_tap_needs_the_page_its_token_and_its_login(serve):
    served = serve()
    nobodys = served.open("/alarms")
    served.log_in("anna")
    annas = served.open("/alarms")
    assert annas.tap("reset").status_code == 204
    csrf = {"x-csrf-token": ""}
    for page, headers in ((annas, csrf), (annas, {"x-csrf-token": nobodys.csrf}), (nobodys, {}), (nobodys, csrf),
                          (annas, {"x-csrf-token": "\u00e9".encode("latin-1")})):  # fmt: skip
        answer = page.tap("reset", **headers)
        assert (answer.status_code, answer.json()["why"]) == (403, "CSRF"), (page.id, headers)
    served.http.cookies.clear()
    answer = annas.tap("reset")
    assert (answer.status_code, answer.json()["why"]) == (403, "CSRF")
    assert annas.tap("reset", origin="http://evil.example").status_code == 403
    for body in ({}, {"page": 5}, {"page": annas.id, "number": "x", "do": "reset"}, {"page": annas.id, "number": 1}, []):
        sent = {"origin": served.url, "x-csrf-token": annas.csrf}
        assert served.http.post("/page/tap", json=body, headers=sent).status_code == 400, body


def test_a_stream_is_for_the_login_that_its_page_was_made_for(serve):
    served = serve()
    served.log_in("anna")
    page = served.open("/alarms")
    served.http.cookies.clear()
    with page.listen() as stream:
        assert list(events(stream)) == [{"do": [["reload"]]}]


@pytest.mark.parametrize("end", ["logout", "removed", "another role", "expired"])
def test_a_login_that_ends_ends_the_stream_and_the_page_is_asked_for_anew(serve, tmp_path, monkeypatch, end):
    served = serve(session_min=5.0)
    served.log_in("leo")
    page = served.open("/")
    with page.listen() as stream:
        found = events(stream)
        assert "do" not in next(found)
        if end == "logout":
            served.http.post("/logout", data={"csrf": page.csrf}, headers={"origin": served.url})
        elif end == "removed":
            change_users(tmp_path / "users.toml", lambda users: users.pop("leo") and None)
        elif end == "another role":
            change_users(tmp_path / "users.toml", lambda users: users.update(leo=replace(users["leo"], role=Role.QUALITY)))
        else:
            monkeypatch.setattr("aoi_daemon.hmi.access.sessions.Sessions.current", lambda *_: None)
        assert calls(first(found, lambda event: "do" in event)) == ["reload"]
        assert list(found) == []
    if end != "expired":
        assert "Log in" in served.open("/").answer.text


def test_where_looking_needs_a_login_a_stream_does_too(serve):
    served = serve(open_view=False)
    assert served.http.get("/page/events?page=x").status_code == 401
    served.log_in("leo")
    page = served.open("/")
    with page.listen() as stream:
        assert "at" in next(events(stream))
    served.http.cookies.clear()
    with page.listen() as stream:
        assert stream.status_code == 401
    assert page.tap("reset").status_code == 401


def test_the_end_of_the_process_is_said_and_ends_the_streams(serve):
    served = serve()
    page = served.open("/")
    with page.listen() as stream:
        found = events(stream)
        next(found)
        began = time.monotonic()
        served.end()
        assert calls(first(found, lambda event: "last" in event)) == ["gone"]
        assert time.monotonic() - began < 5


def test_who_does_not_read_is_cut_off_and_costs_no_memory_meanwhile(serve, monkeypatch):
    monkeypatch.setattr(doors_http, "NOT_READ_S", 0.5)
    told: list[int] = []
    pages = []
    news = hmi_main.Pulse.tell

    def much(self, page):
        message = {**news(self, page), "much": "x" * 500_000}
        told.append(len(message["much"]))
        pages.append(page)
        page.wake()  # there is always more
        return message

    monkeypatch.setattr(hmi_main.Pulse, "tell", much)
    served = serve()
    page = served.open("/")
    with page.listen() as stream:
        assert stream.status_code == 200
        until(lambda: pages and pages[0].listener is None)
    # The buffers of the kernel and of the transport, and the one that did not fit in.
    assert sum(told) < 20_000_000, len(told)
