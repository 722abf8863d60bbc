"""Every way in that acts, without a right to it: no session, the wrong role, no token, a foreign site."""

import json

import pytest

from aoi_daemon.hmi.access.guard import STREAM, TAP
from aoi_daemon.hmi.access.roles import PERMISSIONS, Action, Role
from aoi_daemon.hmi.access.users import Role as UserRole
from aoi_daemon.hmi.api.routes import ACTING

BODIES = {"/api/recipe": {"recipe_id": 1}, "/api/review": {"part_id": 1, "verdict": "defect"}, "/api/force": {"word": 1}}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def roles_without(action: Action) -> list[str]:
    names = {Role.OPERATOR: "leo", Role.QUALITY: "mei", Role.MAINTENANCE: "anna"}
    return [names[role] for role in UserRole if action not in PERMISSIONS[role]]


def test_the_table_names_every_route_of_the_app_that_takes_more_than_a_get(site):
    """Whatever else takes a POST would be missing below."""
    routes = site().backend.routes()
    posts = {route.path for route in routes if route.methods - {"GET", "HEAD"}}
    assert posts == {acting.path for acting in ACTING} | {"/login", "/logout", "/csp-report"}
    assert all(route.methods == {"POST"} for route in routes if route.path in posts and "GET" not in route.methods)


@pytest.mark.parametrize("acting", ACTING, ids=lambda acting: acting.path)
class TestActing:
    def body(self, acting):
        return BODIES.get(acting.path, {})

    def test_without_a_session(self, site, daemon, acting):
        here = site()
        for headers in ({}, {"origin": here.url}, {"cookie": f"{here.backend.access.cookie}=forged", "x-csrf-token": "forged"}):
            found = here.http.post(acting.path, json=self.body(acting), headers=headers)
            assert (found.status_code, found.json()["why"]) == (401, "LOGIN")
        assert daemon.asked == []

    def test_with_the_wrong_role(self, site, daemon, acting):
        here = site()
        for name in roles_without(acting.action or Action.RESET):
            for body in (self.body(acting), {}, {"unknown": 1}):
                found = here.post(acting.path, name, body)
                assert (found.status_code, found.json()["why"]) == (403, "ROLE"), name
        assert [request for request in daemon.asked if request["do"] != "audit"] == []

    def test_without_the_token_or_with_another_sessions(self, site, daemon, acting):
        here = site()
        cookie, _ = here.session("anna")
        _, others = here.session("anna")
        for token in ({}, {"x-csrf-token": ""}, {"x-csrf-token": others}, {"x-csrf-token": "forged\u00e9".encode("latin-1")}):
            found = here.http.post(acting.path, json=self.body(acting), headers={**cookie, "origin": here.url, **token})
            assert (found.status_code, found.json()["why"]) == (403, "CSRF")
        for wrong in (others, None, 5, [], "\ud800"):
            body = json.dumps({**self.body(acting), "csrf": wrong})
            found = here.http.post(acting.path, content=body, headers={**cookie, "origin": here.url, "content-type": "application/json"})
            assert (found.status_code, found.json()["why"]) == (403, "CSRF"), wrong
        assert daemon.asked == []

    def test_from_another_site(self, site, daemon, acting):
        here = site()
        for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "https://127.0.0.1"}, {"origin": f"http://127.0.0.1:{here.port + 1}"}):
            found = here.post(acting.path, "anna", self.body(acting), **headers)
            assert found.status_code == 403, headers
        cookie, csrf = here.session("anna")
        found = here.http.post(acting.path, json=self.body(acting), headers={**cookie, "x-csrf-token": csrf, "sec-fetch-site": "cross-site"})
        assert found.status_code == 403
        assert daemon.asked == []

    def test_with_every_right_it_is_done(self, site, daemon, acting):
        found = site().post(acting.path, "anna", self.body(acting))
        if acting.path == "/api/review":
            assert (found.status_code, found.json()["why"]) == (409, "STATE")  # no records are kept here
        else:
            assert (found.status_code, found.json()["ok"]) == (200, True)
            assert len(daemon.asked) == 1


def test_login_and_logout_are_for_our_own_pages_too(site, daemon):
    here = site()
    for path in ("/login", "/logout"):
        assert here.http.post(path, data={"name": "anna", "password": "x"}, headers={"origin": "http://evil.example"}).status_code == 403
    assert here.http.post("/logout").status_code == 401
    cookie, _ = here.session("anna")
    assert here.http.post("/logout", headers={**cookie, "origin": here.url}).status_code == 403
    assert here.http.get("/api/session", headers=cookie).status_code == 200, "still logged in"


def test_what_is_not_in_the_table_takes_nothing_but_a_get(site, daemon):
    """Whatever a page or a library adds, an upload say, is closed until it is named."""
    here = site()
    for path in ("/", "/api/status", "/page/events", "/page/upload", "/no-such-path"):
        for method in METHODS:
            if method in ("GET", "HEAD"):
                continue
            found = here.http.request(method, path, headers={"origin": here.url})
            assert found.status_code == 405, (method, path)
    for acting in ACTING:
        for method in METHODS:
            if method != "POST":
                assert here.http.request(method, acting.path, headers={"origin": here.url}).status_code == 405, method


class TestStream:
    def opened(self, here, **headers):
        return here.http.stream("GET", STREAM, headers=headers)

    def test_one_of_our_pages_gets_it(self, site):
        here = site()
        for headers in ({}, {"origin": here.url}, {"sec-fetch-site": "same-origin"}):
            with self.opened(here, **headers) as stream:
                assert next(stream.iter_lines()) == "data: {}"
                assert "default-src 'none'" in stream.headers["content-security-policy"]

    @pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}])
    def test_a_page_of_another_site_does_not(self, site, headers):
        with self.opened(site(), **headers) as stream:
            assert stream.status_code == 403

    def test_where_looking_needs_a_login_it_does_too_and_ends_with_it(self, site, monkeypatch):
        monkeypatch.setattr("aoi_daemon.hmi.access.guard._LOOK_AGAIN_S", 0.0)
        here = site(open_view=False)
        with self.opened(here) as stream:
            assert stream.status_code == 401
        cookie, _ = here.session("leo")
        with self.opened(here, **cookie) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "data: {}"
            here.clock.pass_s(3600)
            assert len(list(lines)) < 10_000  # it comes to an end

    def test_there_is_no_websocket(self, site):
        here = site()
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "origin": here.url}
        assert here.http.get("/", headers=upgrade).status_code == 200
        assert here.http.get("/no-such-path", headers=upgrade).status_code == 404


def test_a_tap_from_another_site_does_not_reach_its_page(site):
    here = site()
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert here.http.post(TAP, json={}, headers=headers).status_code == 403
    assert here.http.post(TAP, json={}, headers={"origin": here.url}).status_code == 404  # past the guard; no page is open here
