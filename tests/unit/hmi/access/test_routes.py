"""The routes over a real server: login, what acts, what is only looked at, and wrong requests."""

import json
import socket
import stat

import pytest

from aoi_daemon.hmi.access.users import change_users
from aoi_daemon.hmi.api.body import MAX_BODY_BYTES
from aoi_daemon.kit.line.daemon import wait_for
from aoi_daemon.stage.board import Cell, Link

from .conftest import PASSWORD


def cookies(response) -> str:
    return response.headers.get("set-cookie", "")


class TestLogin:
    def test_a_login_sets_the_cookie_and_leads_back(self, site, daemon):
        here = site()
        found = here.login("anna", next="/rejects")
        assert (found.status_code, found.headers["location"]) == (303, "/rejects")
        assert "HttpOnly" in cookies(found) and "SameSite=strict" in cookies(found) and "Path=/" in cookies(found)
        about = here.http.get("/api/session").json()
        assert (about["user"], about["role"]) == ("Anna", "maintenance") and "reload" in about["may"]
        done = here.http.post("/api/reload", headers={"x-csrf-token": about["csrf"], "origin": here.url})
        assert done.json() == {"ok": True, "text": "reloaded"}
        assert daemon.of("reload")[0]["by"] == "Anna (maintenance)"

    def test_a_wrong_password_shows_the_form_again_with_401(self, site, daemon):
        here = site()
        found = here.login("anna", "wrong", next="/rejects")
        assert found.status_code == 401 and "Wrong user name or password." in found.text and "用户名或密码错误" in found.text
        assert 'name="next" value="/rejects"' in found.text and "set-cookie" not in found.headers
        wait_for(lambda: daemon.of("audit"), 5, "the audit")
        assert [(line["what"], line["ok"]) for line in daemon.of("audit")] == [("login", False)]

    def test_too_many_wrong_ones_say_when_to_try_again(self, site, daemon, monkeypatch):
        monkeypatch.setattr("aoi_daemon.hmi.access.roles.matches", lambda *_: False)
        here = site()
        found = [here.login("anna") for _ in range(4)]
        assert [each.status_code for each in found] == [401, 401, 401, 429]
        assert found[-1].headers["retry-after"] == "1" and "Try again in 1 s" in found[-1].text

    def test_a_new_login_ends_the_old_session_and_has_a_new_token(self, site, daemon):
        here = site()
        here.login("leo")
        old = here.http.cookies[here.backend.access.cookie]
        here.login("anna")
        assert here.http.cookies[here.backend.access.cookie] != old
        assert here.http.get("/api/session", headers={"cookie": f"{here.backend.access.cookie}={old}"}).status_code == 401
        assert len(here.backend.access.sessions) == 1

    def test_a_cookie_of_the_attackers_choice_never_becomes_a_session(self, site, daemon):
        here = site()
        here.http.cookies.set(here.backend.access.cookie, "chosen-by-somebody")
        here.login("anna")
        assert here.http.get("/api/session", headers={"cookie": f"{here.backend.access.cookie}=chosen-by-somebody"}).status_code == 401

    def test_a_script_logs_in_with_json(self, site, daemon):
        here = site()
        found = here.http.post("/login", json={"name": "mei", "password": PASSWORD}, headers={"accept": "application/json"})
        assert found.status_code == 200 and found.json()["role"] == "quality"
        refused = here.http.post("/login", json={"name": "mei", "password": "no"}, headers={"accept": "application/json"})
        assert (refused.status_code, refused.json()["why"]) == (401, "CREDENTIALS")

    @pytest.mark.parametrize("body", [{}, {"name": "anna"}, {"name": "", "password": ""}, {"name": ["anna"], "password": {}}, {"name": "anna", "password": 5}])
    def test_a_login_without_name_or_password_is_400(self, site, body):
        found = site().http.post("/login", json=body, headers={"accept": "application/json"})
        assert found.status_code == 400

    def test_logout_ends_the_session_and_takes_the_cookie_away(self, site, daemon):
        here = site()
        here.login("anna")
        csrf = here.http.get("/api/session").json()["csrf"]
        token = here.http.cookies[here.backend.access.cookie]
        found = here.http.post("/logout", data={"csrf": csrf}, headers={"origin": here.url})
        assert found.status_code == 303 and 'Max-Age=0' in cookies(found)
        assert here.http.get("/api/session", headers={"cookie": f"{here.backend.access.cookie}={token}"}).status_code == 401

    def test_who_is_logged_in_is_not_asked_again(self, site):
        here = site()
        cookie, _ = here.session("leo")
        found = here.http.get("/login?next=//evil.example", headers=cookie)
        assert (found.status_code, found.headers["location"]) == (303, "/")

    def test_the_page_says_when_there_is_no_user_yet(self, site, users_file):
        here = site()
        users_file.unlink()
        assert "aoi-daemon user add" in here.http.get("/login").text

    def test_the_page_says_when_nobody_can_log_in_and_names_no_file(self, site, users_file):
        here = site()
        users_file.chmod(0o666)
        found = here.http.get("/login")
        assert found.status_code == 409 and "Nobody can log in now" in found.text and str(users_file) not in found.text

    def test_the_page_needs_no_script_and_may_run_none(self, site):
        found = site().http.get("/login")
        policy = found.headers["content-security-policy"]
        assert "<script" not in found.text and "default-src 'none'" in policy and "script-src" not in policy
        assert "unsafe-inline" not in policy and found.headers["cache-control"] == "no-store"


class TestActing:
    def test_the_values_may_come_as_a_form_with_the_token_in_it(self, site, daemon):
        here = site()
        cookie, csrf = here.session("anna")
        found = here.http.post("/api/recipe", data={"csrf": csrf, "recipe_id": "7"}, headers={**cookie, "origin": here.url})
        assert found.status_code == 200 and daemon.of("recipe")[0]["id"] == 7

    def test_what_the_daemon_refuses_is_409_with_its_words(self, site, daemon):
        daemon.answers["recipe"] = {"ok": False, "error": "there is no recipe 9; there are: 1"}
        found = site().post("/api/recipe", "anna", {"recipe_id": 9})
        assert (found.status_code, found.json()["error"]) == (409, "there is no recipe 9; there are: 1")

    def test_a_daemon_that_is_gone_is_503(self, site):
        found = site().post("/api/reset", "anna")
        assert (found.status_code, found.json()["why"]) == (503, "UNREACHABLE")

    def test_too_often_is_429_with_when_to_try_again(self, site, daemon):
        here = site()
        cookie, csrf = here.session("anna")
        sent = {**cookie, "x-csrf-token": csrf, "origin": here.url}
        found = [here.http.post("/api/reload", headers=sent) for _ in range(4)]
        assert [each.status_code for each in found] == [200, 200, 200, 429]
        assert found[-1].headers["retry-after"] == "6"

    @pytest.mark.parametrize(
        ("path", "body", "problem"),
        [
            ("/api/acknowledge", b"{", "neither a JSON object nor a form"),
            ("/api/acknowledge", b"[1]", "no JSON object"),
            ("/api/acknowledge", b"\xff\xfe\x00", "neither a JSON object nor a form"),
            ("/api/acknowledge", b"[" * 10_000, "neither a JSON object nor a form"),
            ("/api/acknowledge", b'{"alarm": 5}', "alarm = 5: must be a text"),
            ("/api/acknowledge", b'{"alarm": "NO_SUCH"}', "there is no such alarm"),
            ("/api/acknowledge", b'{"alarms": "OPTICS"}', "'alarms': unknown; known are: alarm"),
            ("/api/acknowledge", b'{"\\ud800": 1}', "unknown"),
            ("/api/reset", b'{"force": true}', "'force': unknown; known are: none"),
            ("/api/recipe", b"{}", "recipe_id: missing"),
            ("/api/recipe", b'{"recipe_id": true}', "recipe_id = True: must be a number"),
            ("/api/recipe", b'{"recipe_id": 1.5}', "recipe_id = 1.5: must be a number"),
            ("/api/recipe", b'{"recipe_id": NaN}', "must be a number"),
            ("/api/recipe", b'{"recipe_id": 99999999999999999999999999}', "must be a whole number from 1 to 65535"),
            ("/api/force", b'{"word": -1}', "from 0 to 65535"),
            ("/api/review", b'{"part_id": 1, "verdict": "scratch"}', "must be defect, false_call or none"),
            ("/api/review", b'{"part_id": 1, "verdict": "defect", "note": "\\u0000"}', "note: at most"),
            ("/api/reload", b" " * (MAX_BODY_BYTES + 1), "more than 16384 bytes"),
        ],
    )
    def test_a_wrong_body_is_400_with_what_is_wrong(self, site, daemon, path, body, problem):
        here = site()
        cookie, csrf = here.session("anna")
        found = here.http.post(path, content=body, headers={**cookie, "x-csrf-token": csrf, "origin": here.url, "content-type": "application/json"})
        assert found.status_code == 400 and problem in found.json()["error"], found.text
        assert daemon.asked == []

    def test_another_kind_of_body_is_400(self, site):
        here = site()
        cookie, csrf = here.session("anna")
        sent = {**cookie, "x-csrf-token": csrf, "origin": here.url}
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/xml"):
            found = here.http.post("/api/reset", content=b"{}", headers={**sent, "content-type": kind})
            assert found.status_code == 400 and "application/json or a form" in found.json()["error"]

    def test_a_body_that_never_ends_is_given_up(self, site, monkeypatch):
        monkeypatch.setattr("aoi_daemon.hmi.api.body.BODY_S", 0.2)
        here = site()
        cookie, csrf = here.session("anna")
        head = f"POST /api/reset HTTP/1.1\r\nHost: 127.0.0.1:{here.port}\r\nCookie: {cookie['cookie']}\r\nX-CSRF-Token: {csrf}\r\nContent-Length: 100\r\n\r\n"
        with socket.create_connection(("127.0.0.1", here.port), 10) as client:
            client.sendall(head.encode() + b"{")
            assert client.recv(4096).startswith(b"HTTP/1.1 400")

    def test_a_get_never_acts(self, site, daemon):
        here = site()
        cookie, _ = here.session("anna")
        for path in ("/api/reload", "/api/reset", "/api/force"):
            assert here.http.get(path, headers=cookie).status_code == 405
        assert daemon.asked == []


class TestLooking:
    def test_status_is_what_the_board_says(self, site, board):
        board[Cell.PARTS], board[Cell.PASSED] = 5, 3
        found = site().http.get("/api/status").json()
        assert (found["name"], found["parts"], found["passed"], found["ready"], found["healthy"]) == ("line-7", 5, 3, True, True)

    def test_healthz_and_readyz_are_200_when_all_is_well(self, site):
        here = site()
        for path in ("/healthz", "/readyz"):
            found = here.http.get(path)
            assert (found.status_code, found.json()["ok"]) == (200, True)

    def test_a_supervisor_that_hangs_is_503_at_both_whatever_the_board_says(self, site, board, clock):
        here = site()
        clock.pass_s(4)
        board[Cell.INSPECTION_NS] = board[Cell.PLC_NS] = clock()
        for path in ("/healthz", "/readyz"):
            found = here.http.get(path)
            assert found.status_code == 503 and "supervisor: has not moved for 4.0 s" in found.json()["problems"][0]
        assert here.http.get("/api/status").json()["ready"] is False

    def test_a_link_that_is_down_is_not_ready_and_says_so(self, site, board):
        board[Cell.LINK], board[Cell.READY] = Link.DOWN, 0
        here = site()
        assert here.http.get("/healthz").status_code == 200
        found = here.http.get("/readyz")
        assert found.status_code == 503 and found.json()["missing"] == ["plc: no connection to the PLC"]

    def test_metrics_are_served_or_not_as_the_line_says(self, site):
        found = site().http.get("/metrics")
        assert found.status_code == 200 and "aoi_ready 1.0" in found.text
        assert found.headers["content-type"].startswith("text/plain; version=")
        assert site(metrics=False).http.get("/metrics").status_code == 404

    def test_every_answer_says_what_a_browser_may_do_with_it(self, site):
        here = site()
        for path in ("/", "/login", "/api/status", "/healthz", "/metrics", "/no-such-page"):
            headers = here.http.get(path).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"], path
            assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"

    def test_the_name_of_another_site_is_refused_but_for_machines(self, site):
        """DNS rebinding: the browser believes that evil.example is this PC."""
        here = site()
        evil = {"host": "evil.example", "origin": "http://evil.example"}
        found = here.http.get("/api/status", headers=evil)
        assert found.status_code == 400 and "hmi.origins" in found.json()["error"]
        assert here.http.get("/metrics", headers={"host": "line-pc.plant.example:8080"}).status_code == 200


class TestClosedView:
    def test_without_a_login_a_page_leads_to_the_login_and_all_else_is_401(self, site):
        here = site(open_view=False)
        found = here.http.get("/", headers={"accept": "text/html"})
        assert (found.status_code, found.headers["location"]) == (303, "/login?next=/")
        assert here.http.get("/api/status").status_code == 401
        assert here.http.get("/static/page.js").status_code == 401

    def test_what_machines_read_and_the_login_itself_stay_open(self, site):
        here = site(open_view=False)
        for path in ("/login", "/healthz", "/readyz", "/metrics"):
            assert here.http.get(path).status_code == 200

    def test_with_a_login_all_is_there(self, site):
        here = site(open_view=False)
        cookie, _ = here.session("leo")
        assert here.http.get("/", headers=cookie).text == "the page"
        assert here.http.get("/api/status", headers=cookie).status_code == 200


def test_a_removed_user_cannot_act_a_moment_later(site, daemon, users_file):
    here = site()
    cookie, csrf = here.session("anna")
    sent = {**cookie, "x-csrf-token": csrf, "origin": here.url}
    assert here.http.post("/api/reset", headers=sent).status_code == 200
    change_users(users_file, lambda users: users.pop("anna") and None)
    assert here.http.post("/api/reset", headers=sent).status_code == 401
    assert len(daemon.of("reset")) == 1


def test_the_control_socket_stays_the_daemons_own(daemon):
    assert stat.S_IMODE(daemon.server.path.stat().st_mode) == 0o600


def test_an_answer_is_json_whatever_was_asked(site):
    here = site()
    for path in ("/api/reset", "/api/session"):
        assert json.loads(here.http.request("POST" if path == "/api/reset" else "GET", path).text)["ok"] is False


class TestPolicyReports:
    """Browsers send them with no login and no token; they are counted, and do nothing else."""

    OLD = ("application/csp-report", {"csp-report": {"effective-directive": "script-src-elem", "blocked-uri": "http://evil.example/x.js"}})
    NEW = ("application/reports+json", [{"type": "csp-violation", "body": {"effectiveDirective": "img-src", "blockedURL": "data"}}] * 3)

    def send(self, site, kind, body, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return site.http.post("/csp-report", content=data, headers={"content-type": kind, "origin": site.url, **headers})

    def test_both_pages_ask_for_them(self, site):
        found = site()
        for path in ("/", "/login"):
            assert found.http.get(path).headers["content-security-policy"].endswith("report-uri /csp-report"), path

    @pytest.mark.parametrize("open_view", [True, False])
    def test_they_are_counted_in_metrics_and_health(self, site, open_view):
        found = site(open_view=open_view)
        assert self.send(found, *self.OLD).status_code == 204
        assert self.send(found, *self.NEW).status_code == 204
        text = found.http.get("/metrics").text
        assert 'aoi_page_policy_reports_total{directive="script-src-elem"} 1.0' in text
        assert 'aoi_page_policy_reports_total{directive="img-src"} 3.0' in text
        assert found.http.get("/healthz").json()["policy_reports"] == 4
        assert found.backend.said() == {"policy_reports": 4, "turned_away": 0}

    def test_what_is_made_up_is_one_number_and_few_lines(self, site, capsys):
        found = site()
        for number in range(30):
            answer = self.send(found, "application/csp-report", {"csp-report": {"effective-directive": f"x{number}\n", "blocked-uri": "y" * 9000}})
            assert answer.status_code == (204 if number < 20 else 429)
        assert found.backend.reports.counts == {"other": 20}
        assert 0 < capsys.readouterr().out.count("page_policy_report") <= 2

    @pytest.mark.parametrize(("kind", "body", "status"), [
        ("text/plain", b"{}", 415), ("application/csp-report", b"not json", 400), ("application/csp-report", b"x" * 20_000, 400),
        ("application/csp-report", b"[" * 9000, 400), ("application/csp-report", b"\xff", 400), ("application/reports+json", [1, None, {"body": 7}], 204),
    ])  # fmt: skip
    def test_what_is_no_report_counts_for_nothing(self, site, kind, body, status):
        found = site()
        assert self.send(found, kind, body).status_code == status
        assert not found.backend.reports.counts

    def test_another_site_cannot_report(self, site):
        assert self.send(site(), *self.OLD, origin="http://evil.example").status_code == 403
