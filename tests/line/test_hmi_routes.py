"""The page of a running line: no way in that acts without a right to it, who did what, and health that tells the truth."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from copy import deepcopy
from types import SimpleNamespace

import httpx
import pytest

from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, change_users, folded
from aoi_daemon.hmi.web import routes
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.kit.line.page import free_port
from aoi_daemon.ring.events import EventReader
from tests.line.conftest import starter

PASSWORD = "vier blaue Kisten am Band"


def all_routes() -> list[tuple[str, set[str]]]:
    """Path and methods of every route of the pages; of what is mounted, the folder."""
    site = SimpleNamespace(config=SimpleNamespace(line=SimpleNamespace(name="x")))
    return [(route.path, getattr(route, "methods", {"GET"})) for route in routes(site, None)]


class Browser:
    """The page of a line that runs, from outside."""

    def __init__(self, running, port: int) -> None:
        self.running = running
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=20)
        wait_for(lambda: self.status("/healthz"), 30, "the page")

    def status(self, path: str) -> int:
        try:
            return self.http.get(path).status_code
        except httpx.TransportError:
            return 0

    def login(self, name: str, password: str = PASSWORD) -> dict:
        found = self.http.post("/login", json={"name": name, "password": password}, headers={"accept": "application/json"})
        return found.json()


@pytest.fixture(scope="module")
def started(tmp_path_factory, boards, bundle):
    """A line with its page and two users; its port, its configuration, its first audits. Each test begins with it READY."""
    port = free_port(0)
    with ExitStack() as owned:
        running = starter(owned, tmp_path_factory.mktemp("routes"), boards, bundle)(hmi={"port": port})
        kept = keep(PASSWORD)
        users = {folded(name): User(name, role, kept) for name, role in (("anna", Role.MAINTENANCE), ("leo", Role.OPERATOR))}
        change_users(running.daemon.folder / "users.toml", lambda found: found.update(users))
        with running.event_memory() as memory:
            first = [event.body for event in EventReader(memory, from_start=True).read() if event.kind == "audit"]
        yield running, port, deepcopy((running.daemon.line, running.daemon.recipes)), first


@pytest.fixture
def browser(started):
    running, port, files, _ = started
    running.daemon.line, running.daemon.recipes = deepcopy(files)
    running.daemon.write_config()
    assert running.daemon.ask("reload")["ok"]
    running.wait_ready()
    browser = Browser(running, port)
    yield browser
    browser.http.close()


@pytest.fixture
def audit(browser):
    """`audit()`: the audit trail of this test so far, from the event ring."""
    with browser.running.event_memory() as memory:
        reader, lines = EventReader(memory), []

        def read() -> list[dict]:
            lines.extend(event.body for event in reader.read() if event.kind == "audit")
            return lines

        yield read


def test_no_route_of_the_whole_app_acts_without_a_right_to_it(browser, audit):
    reloads = browser.running.daemon.status()["reloads"]
    found_routes = all_routes()
    assert {"/rejects", "/page/events", "/page/tap"} <= {path for path, _ in found_routes}
    acting = ["/api/acknowledge", "/api/reset", "/api/reload", "/api/recipe", "/api/review", "/api/force", "/api/unforce", "/logout"]
    for path, methods in [*found_routes, *((path, {"POST"}) for path in acting)]:
        real = path.replace("{", "").replace("}", "").replace(":path", "")
        for method in {"POST", "PUT", "PATCH", "DELETE", *methods} - {"GET", "HEAD"}:
            for headers in ({}, {"origin": browser.url}, {"origin": "http://evil.example"}):
                found = browser.http.request(method, real, headers=headers, json={})
                assert found.status_code in (400, 401, 403, 405), (method, real, headers, found.status_code)
                if path in acting and method == "POST":
                    assert found.status_code == (403 if "evil" in str(headers) else 401), (path, headers)
    # A page of another site gets no stream, and a tap on no page, or on somebody else's, reaches none.
    assert browser.http.get("/page/events?page=x", headers={"origin": "http://evil.example"}).status_code == 403
    tap = {"page": "x", "number": 1, "do": "reload"}
    for headers in ({}, {"x-csrf-token": ""}, {"x-csrf-token": "x"}):
        assert browser.http.post("/page/tap", json=tap, headers={"origin": browser.url, **headers}).json()["why"] == "CSRF"
    assert "reload" in browser.http.get("/page/events?page=x").text
    about = browser.login("leo")
    token = {"x-csrf-token": about["csrf"], "origin": browser.url}
    for path, body in (("/api/reload", {}), ("/api/recipe", {"recipe_id": 1}), ("/api/force", {"word": 1}), ("/api/unforce", {})):
        assert browser.http.post(path, json=body, headers=token).status_code == 403, path
        assert browser.http.post(path, json=body, headers={"origin": browser.url}).status_code == 403, path
    assert browser.running.daemon.status()["reloads"] == reloads
    assert {line["what"] for line in audit() if line["ok"]} == {"login"}


def test_the_start_itself_is_in_the_audit(started):
    """Who answers for it that this line has no golden parts."""
    *_, first = started
    assert [(line["what"], line["ok"]) for line in first] == [("accept_unproven", True)]


def test_what_is_done_by_the_page_is_in_the_audit_with_who_did_it(browser, audit):
    refused_before = browser.running.daemon.status()["reloads_refused"]
    assert browser.login("anna", "not the password at all")["why"] == "CREDENTIALS"
    about = browser.login("anna")
    token = {"x-csrf-token": about["csrf"], "origin": browser.url}
    browser.running.daemon.recipes["demo"]["stop"] = {"same_place": 3, "reject_percent": 0.0}
    browser.running.daemon.write_config()
    done = browser.http.post("/api/reload", headers=token)
    assert done.status_code == 200 and done.json()["text"] == "reloaded: recipes/demo", done.text
    wait_for(lambda: {"login", "reload"} <= {line["what"] for line in audit()}, 5, "the audit")
    (reload,) = [line for line in audit() if line["what"] == "reload"]
    assert (reload["by"], reload["via"], reload["ok"]) == ("anna (maintenance)", "page", True)
    assert any("stop" in change["key"] for change in reload["changes"])
    assert [(line["by"], line["ok"]) for line in audit() if line["what"] == "login"] == [("anna", False), ("anna (maintenance)", True)]
    browser.running.daemon.line["line"]["takt_ms"] = 0.0
    browser.running.daemon.write_config()
    refused = browser.http.post("/api/reload", headers=token)
    assert refused.status_code == 409 and "takt_ms" in refused.json()["error"]
    # And the figures go on.
    browser.running.wait_parts(10)
    text = browser.http.get("/metrics").text
    assert "aoi_ready 1.0" in text and f'aoi_reloads_total{{result="refused"}} {refused_before + 1}.0' in text
    assert 'aoi_parts_rejected_by_class_total{class=' in text and 'class="#' not in text, "classes by their names"
    wait_for(lambda: 'aoi_process_up{process="hmi"} 1.0' in browser.http.get("/metrics").text, 10, "what the processes say")
    count = next(line for line in text.splitlines() if line.startswith("aoi_part_latency_seconds_count"))
    assert float(count.split()[1]) > 0


def test_health_turns_red_when_the_supervisor_hangs_or_the_plc_is_gone_and_green_again(browser):
    assert browser.status("/healthz") == 200
    wait_for(lambda: browser.status("/readyz") == 200, 10, "READY")
    pid = browser.running.daemon.process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: browser.status("/healthz") == 503, 10, "503")
        found = browser.http.get("/readyz")
        assert found.status_code == 503 and found.json()["problems"][0].startswith("supervisor: has not moved for")
        assert browser.http.get("/api/status").json()["ready"] is False
        about = browser.login("anna")
        assert about["ok"], "a login needs no supervisor"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: browser.status("/healthz") == 200, 10, "200")
    browser.running.wait_ready()
    # The hung supervisor cost no part.
    browser.running.no_unproven_pass()
    browser.running.plc.fault("refuse")
    try:
        wait_for(lambda: browser.status("/readyz") == 503, 10, "503")
        assert browser.status("/healthz") == 200, "the daemon is alive, and waits for the PLC"
        wait_for(lambda: "plc: no connection to the PLC" in browser.http.get("/readyz").json()["missing"], 5, "the reason")
        assert "aoi_plc_link_up 0.0" in browser.http.get("/metrics").text
    finally:
        browser.running.plc.fault("none")
    wait_for(lambda: browser.status("/readyz") == 200, 10, "READY again")
