"""Who may do what, who is logged in, and when that ends."""

import asyncio

import pytest
from starlette.requests import HTTPConnection

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.hmi.access import roles as access_module
from aoi_daemon.hmi.access.roles import PERMISSIONS, Access, Action, Denial, Refused, Role
from aoi_daemon.hmi.access.users import UserFile, change_users, folded

from .conftest import PASSWORD

A = Action


def test_each_role_may_do_exactly_this():
    assert {role: set(actions) for role, actions in PERMISSIONS.items()} == {
        Role.OPERATOR: {A.VIEW, A.ACKNOWLEDGE, A.RESET, A.REVIEW},
        Role.QUALITY: {A.VIEW, A.ACKNOWLEDGE, A.RESET, A.REVIEW, A.EXPORT},
        Role.MAINTENANCE: {A.VIEW, A.ACKNOWLEDGE, A.RESET, A.REVIEW, A.EXPORT, A.RESET_FAULT, A.RELOAD, A.RECIPE, A.FORCE},
    }
    assert set(PERMISSIONS) == set(Role)


class Audit:
    def __init__(self) -> None:
        self.lines: list[dict] = []

    async def __call__(self, **line) -> None:
        self.lines.append(line)


@pytest.fixture
def audit() -> Audit:
    return Audit()


@pytest.fixture
def access(users_file, audit, clock) -> Access:
    return Access(HmiSection(), UserFile(users_file), audit, clock)


def login(access: Access, name: str, password: str = PASSWORD, address: str = "10.0.0.1"):
    return asyncio.run(access.login(name, password, address))


def request(access: Access, token: str, **headers: str) -> HTTPConnection:
    found = {"cookie": f"other=1; {access.cookie}={token}", **headers}
    return HTTPConnection({"type": "http", "headers": [(key.encode(), value.encode()) for key, value in found.items()]})


def test_the_right_password_logs_in_and_is_in_the_audit(access, audit):
    token, session = login(access, " anna ")
    assert session.user.name == "Anna" and access.valid(session)
    assert access.session_of(request(access, token)) == session
    assert audit.lines == [{"what": "login", "by": "Anna (maintenance)", "ok": True, "detail": "from 10.0.0.1"}]


def test_a_wrong_password_and_a_wrong_name_read_the_same_and_are_in_the_audit(access, audit):
    texts = []
    for name, password in (("anna", "not hers, not at all"), ("my secret typed here", PASSWORD)):
        with pytest.raises(Refused) as refused:
            login(access, name, password)
        assert refused.value.denial is Denial.CREDENTIALS
        texts.append(str(refused.value))
    assert len(set(texts)) == 1
    assert [(line["by"], line["ok"]) for line in audit.lines] == [("Anna", False), ("unknown name", False)]


def test_wrong_passwords_are_slowed_before_they_are_looked_at(access, clock, monkeypatch):
    looked = []
    monkeypatch.setattr(access_module, "matches", lambda *_: looked.append(1) and False)
    for _ in range(3):
        with pytest.raises(Refused):
            login(access, "anna", "wrong")
    for _ in range(5):
        with pytest.raises(Refused) as refused:
            login(access, "anna")
        assert refused.value.denial is Denial.TOO_OFTEN and 0 < refused.value.wait_s <= 1
    assert len(looked) == 3
    clock.pass_s(1)
    with pytest.raises(Refused) as refused:
        login(access, "anna")
    assert refused.value.denial is Denial.CREDENTIALS and len(looked) == 4


def test_tries_at_the_same_time_are_counted_one_by_one(access, monkeypatch):
    """A hundred at once get no more passwords looked at than one after the other."""
    looked = []
    monkeypatch.setattr(access_module, "matches", lambda *_: looked.append(1) and False)

    async def storm() -> list[object]:
        return await asyncio.gather(*(access.login("anna", "wrong", "10.0.0.1") for _ in range(100)), return_exceptions=True)

    found = asyncio.run(storm())
    assert all(isinstance(each, Refused) for each in found)
    assert len(looked) == 3


def test_a_users_file_that_cannot_be_trusted_lets_nobody_in(access, users_file, audit):
    _, session = login(access, "anna")
    users_file.chmod(0o644)
    assert not access.valid(session)
    with pytest.raises(Refused, match="the log has the cause") as refused:
        login(access, "anna")
    assert refused.value.denial is Denial.STATE and str(users_file) not in str(refused.value)
    assert "chmod 0600" in audit.lines[-1]["detail"]


@pytest.mark.parametrize("change", ["removed", "role", "password"])
def test_a_changed_user_is_logged_out(access, users_file, people, change):
    from dataclasses import replace

    token, session = login(access, "anna")

    def act(users):
        if change == "removed":
            del users["anna"]
        elif change == "role":
            users["anna"] = replace(users["anna"], role=Role.OPERATOR)
        else:
            users["anna"] = replace(users["anna"], password=people["leo"].password[:-4] + "AAA=")

    change_users(users_file, act)
    assert not access.valid(session) and access.session_of(request(access, token)) is None
    with pytest.raises(Refused) as refused:
        access.need(session, Action.VIEW)
    assert refused.value.denial is Denial.LOGIN


def test_a_change_of_another_user_logs_nobody_else_out(access, users_file):
    _, session = login(access, "anna")
    change_users(users_file, lambda users: users.pop("leo") and None)
    assert access.valid(session)


def test_need_is_login_then_role(access, people, clock):
    _, leo = access.sessions.begin(people["leo"], clock())
    for session, action, denial in ((None, A.RESET, Denial.LOGIN), (leo, A.RELOAD, Denial.ROLE), (leo, A.RESET, None)):
        if denial is None:
            assert access.need(session, action) is session
        else:
            with pytest.raises(Refused) as refused:
                access.need(session, action)
            assert refused.value.denial is denial


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_need_follows_the_table(access, people, clock, role, action):
    user = next(user for user in people.values() if user.role is role)
    _, session = access.sessions.begin(user, clock())
    assert access.may(session, action) == (action in PERMISSIONS[role])
    if action not in PERMISSIONS[role]:
        with pytest.raises(Refused):
            access.need(session, action)


def test_acting_keeps_a_session_alive_and_time_ends_it(access, people, clock):
    _, session = access.sessions.begin(people["leo"], clock())
    clock.pass_s(29 * 60)
    access.need(session, Action.RESET)
    clock.pass_s(29 * 60)
    assert access.valid(session)
    clock.pass_s(60)
    assert not access.valid(session)


def test_looking_is_open_or_not_as_the_line_says(users_file, audit, clock, people):
    for open_view in (True, False):
        access = Access(HmiSection(open_view=open_view), UserFile(users_file), audit, clock)
        _, session = access.sessions.begin(people["leo"], clock())
        assert access.may(None, Action.VIEW) is open_view
        assert access.may(session, Action.VIEW)
        assert not access.may(None, Action.ACKNOWLEDGE)


def test_logout_ends_the_session_and_is_in_the_audit_once(access, audit, people, clock):
    _, session = access.sessions.begin(people["leo"], clock())
    for _ in range(2):
        asyncio.run(access.logout(session))
    assert not access.valid(session)
    assert [line["what"] for line in audit.lines] == ["logout"]


def test_the_cookie_is_the_servers_alone(users_file, audit, clock):
    def cookie(host: str = "", **keys):
        access = Access(HmiSection(**keys), UserFile(users_file), audit, clock)
        return access.cookie, access.cookie_options(HTTPConnection({"type": "http", "headers": [(b"host", host.encode())]}))

    name, options = cookie(port=8081)
    assert name == "aoi-8081"
    assert options == {"httponly": True, "samesite": "strict", "secure": False, "path": "/"}
    name, options = cookie(tls_certificate="c", tls_key="k")
    assert name.startswith("__Host-") and options["secure"]
    # Behind a proxy that speaks TLS.
    assert cookie("aoi.example", origins=["https://aoi.example"])[1]["secure"]
    assert not cookie("127.0.0.1:8080", origins=["https://aoi.example"])[1]["secure"]


def test_every_name_in_the_table_of_users_is_found_folded(people):
    assert all(key == folded(user.name) for key, user in people.items())
