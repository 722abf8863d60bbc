"""Sessions end when they should, and nothing that was one can be one again."""

import pytest

from aoi_daemon.hmi.access.sessions import Sessions
from aoi_daemon.hmi.access.users import Role, User

S = 1_000_000_000
USER = User("anna", Role.MAINTENANCE, "")


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(idle_ns=60 * S, longest_ns=600 * S)


def test_a_session_is_found_by_its_token_alone(sessions):
    token, session = sessions.begin(USER, 0)
    assert sessions.find(token, S) == session
    for wrong in ("", token[:-1], session.key, session.csrf, "\udcff"):
        assert sessions.find(wrong, S) is None


def test_an_idle_session_ends(sessions):
    token, _ = sessions.begin(USER, 0)
    assert sessions.find(token, 60 * S - 1)
    assert sessions.find(token, 60 * S) is None
    assert sessions.find(token, 59 * S) is None, "what has ended does not come back"


def test_looking_does_not_keep_it_alive_and_acting_does(sessions):
    token, session = sessions.begin(USER, 0)
    sessions.find(token, 50 * S)
    assert sessions.find(token, 60 * S) is None
    token, session = sessions.begin(USER, 0)
    sessions.touch(session, 50 * S)
    assert sessions.find(token, 109 * S)


def test_no_session_outlives_its_longest_time_however_busy(sessions):
    token, session = sessions.begin(USER, 0)
    for at in range(0, 600, 30):
        assert sessions.find(token, at * S)
        sessions.touch(session, at * S)
    assert sessions.find(token, 600 * S) is None


def test_a_logout_ends_it_once(sessions):
    token, session = sessions.begin(USER, 0)
    assert sessions.end(session)
    assert not sessions.end(session)
    sessions.touch(session, S)
    assert sessions.find(token, S) is None and sessions.current(session, S) is None


def test_each_login_has_its_own_token_and_csrf_token(sessions):
    begun = [sessions.begin(USER, 0) for _ in range(20)]
    assert len({token for token, _ in begun}) == len({session.csrf for _, session in begun}) == 20
    assert all(len(token) >= 43 and token != session.csrf for token, session in begun)


def test_more_sessions_than_are_kept_end_the_longest_idle(sessions):
    first, session = sessions.begin(USER, 0)
    second, _ = sessions.begin(USER, 0)
    sessions.touch(session, S)
    for _ in range(255):
        sessions.begin(USER, 2 * S)
    assert len(sessions) == 256
    assert sessions.find(first, 2 * S) and sessions.find(second, 2 * S) is None


def test_ended_sessions_make_room_first(sessions):
    for _ in range(256):
        sessions.begin(USER, 0)
    sessions.begin(USER, 60 * S)
    assert len(sessions) == 1


def test_nothing_secret_is_shown_when_a_session_is_printed(sessions):
    token, session = sessions.begin(User("anna", Role.MAINTENANCE, "scrypt$..."), 0)
    assert token not in repr(session) and session.csrf not in repr(session) and "scrypt" not in repr(session)
