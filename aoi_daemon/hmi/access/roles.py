"""Who may do what: roles, the one table of permissions, login, and the session that every action asks for again.

    session = access.session_of(request)          # at page build, or in a route; None: nobody is logged in
    access.may(session, Action.RELOAD)            # to show or hide a button; `Actions` checks again
    token, session = await access.login(name, password, address)
    access.logout(session)

Process: hmi. Blocks: never; a password is hashed in a worker thread, one at a time.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import HTTPConnection

from aoi_daemon.config.hmi import HmiSection, is_loopback
from aoi_daemon.errors import AoiError, ConfigError
from aoi_daemon.hmi.access.limits import LoginDelay
from aoi_daemon.hmi.access.password import matches
from aoi_daemon.hmi.access.sessions import Session, Sessions
from aoi_daemon.hmi.access.users import Role, UserFile, folded
from aoi_daemon.hmi.doors.doors import one_address

__all__ = ["PERMISSIONS", "Access", "Action", "Denial", "Refused", "Role", "Session"]


class Action(enum.Enum):
    """What a person can do to the line by the page."""

    VIEW = "view"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    RESET_FAULT = "reset a fault"
    REVIEW = "review"
    EXPORT = "export"
    RELOAD = "reload"
    RECIPE = "recipe"
    FORCE = "force"


_OPERATOR: Final = frozenset({Action.VIEW, Action.ACKNOWLEDGE, Action.RESET, Action.REVIEW})

PERMISSIONS: Final[Mapping[Role, frozenset[Action]]] = {
    # Runs the line: sees alarms, lifts a stop once its cause is found, says whether a reject was one.
    Role.OPERATOR: _OPERATOR,
    # Answers for the product: takes records and shift reports away, and changes nothing on the line.
    Role.QUALITY: _OPERATOR | {Action.EXPORT},
    # Answers for the machine: everything.
    Role.MAINTENANCE: frozenset(Action),
}
"""What each role may do. RESET_FAULT is a reset while the line has faulted or its model is not trusted."""


class Denial(enum.Enum):
    """Why something was refused; the page may word it in its own language."""

    LOGIN = "log in first; the last login may have ended"
    ROLE = "your role may not do that"
    CREDENTIALS = "wrong user name or password"
    TOO_OFTEN = "too often; wait a little"
    CSRF = "the page is older than the login; load it again"
    INPUT = "the request is wrong"
    STATE = "not in this state of the line"
    UNREACHABLE = "the daemon does not answer"


class Refused(AoiError):
    """An action was not done; nothing has changed. `wait_s` says when to try again (0: that would not help)."""

    def __init__(self, denial: Denial, text: str = "", wait_s: float = 0.0) -> None:
        self.denial = denial
        self.wait_s = wait_s
        super().__init__(text or denial.value)


Audit = Callable[..., Awaitable[None]]
"""`await audit(what=..., by=..., ok=..., detail=...)`: one line of the audit trail."""

_WAITING: Final = 8
"""Logins that may wait for their hash; each takes a quarter of a second."""
_WAITING_EACH: Final = 4
"""Of one address: else whoever sends many at once keeps all others from logging in."""


class Brake:
    """What makes the next try wait after wrong ones, and sees that these are in the audit. `tried`: passwords, say."""

    def __init__(self, audit: Audit, clock: Callable[[], int], tried: str) -> None:
        self._tried = tried
        self._audit = audit
        self._clock = clock
        self._delay = LoginDelay()

    def refuse_if_early(self, key: str, address: str, *, local: bool) -> None:
        """Raise Refused TOO_OFTEN where `key` or `address` has to wait. `local`: it is this PC's own."""
        wait_s = self._delay.wait_ns(key, address, self._clock(), local=local) / 1e9
        if wait_s > 0:
            raise Refused(Denial.TOO_OFTEN, f"too many wrong {self._tried}; try again in {wait_s:.0f} s", wait_s)

    async def failed(self, key: str, address: str, *, what: str, who: str, detail: str) -> None:
        """A wrong one of `key`, from `address`; `who` and `detail` as the audit has them."""
        self._delay.failed(key, address, self._clock())
        await self._audit(what=what, by=who, ok=False, detail=detail)

    def succeeded(self, key: str, address: str) -> None:
        """The right one."""
        self._delay.succeeded(key, address)


class Access:
    """Sessions of the users in `users`. `clock` is CLOCK_MONOTONIC in ns."""

    def __init__(
        self, section: HmiSection, users: UserFile, audit: Audit, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.section = section
        self.users = users
        self._clock = clock
        self.sessions = Sessions(int(section.session_min * 60e9), int(section.session_max_h * 3600e9))
        self.tell = audit
        self._brake = Brake(audit, clock, "passwords")
        self._hashing = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    @property
    def cookie(self) -> str:
        """The cookie's name. With the port: cookies know none, and a PC may run several lines."""
        # __Host-: browsers take it only with Secure, for this host and for all paths.
        return f"{'__Host-' if self.section.tls else ''}aoi-{self.section.port}"

    def session_of(self, request: HTTPConnection) -> Session | None:
        """The session of a request or websocket, by its cookie; None when there is none, or it has ended."""
        return self._alive(self.sessions.find(request.cookies.get(self.cookie, ""), self._clock()))

    def valid(self, session: Session | None) -> bool:
        """Whether `session` still is one: not ended, not idle for too long, its user unchanged in the file."""
        return session is not None and self._alive(self.sessions.current(session, self._clock())) is not None

    def may(self, session: Session | None, action: Action) -> bool:
        """Whether `session` may do `action` now. Looking is everybody's where `open_view` says so."""
        if action is Action.VIEW and self.section.open_view:
            return True
        return session is not None and self.valid(session) and action in PERMISSIONS[session.user.role]

    def need(self, session: Session | None, action: Action) -> Session:
        """`session`, which may do `action`; that it acts keeps it alive.

        Raises:
            Refused: LOGIN or ROLE.
        """
        if session is None or not self.valid(session):
            raise Refused(Denial.LOGIN)
        if action not in PERMISSIONS[session.user.role]:
            raise Refused(Denial.ROLE, f"{action.value}: not for the role {session.user.role.value}")
        self.sessions.touch(session, self._clock())
        return session

    def _alive(self, session: Session | None) -> Session | None:
        if session is None:
            return None
        try:
            user = self.users.users().get(folded(session.user.name))
        except ConfigError:
            user = None  # a file that cannot be trusted has no users
        if user != session.user:
            self.sessions.end(session)
            return None
        return session

    async def login(self, name: str, password: str, address: str) -> tuple[str, Session]:
        """A new session and the token for its cookie. `address` is where the request came from.

        Raises:
            Refused: CREDENTIALS, TOO_OFTEN, or STATE when the users' file cannot be used.
        """
        key, local, address = folded(name), is_loopback(address), one_address(address)
        self._brake.refuse_if_early(key, address, local=local)
        if self._waiting.total() >= _WAITING or self._waiting[address] >= _WAITING_EACH:
            raise Refused(Denial.TOO_OFTEN, wait_s=1.0)
        self._waiting[address] += 1
        try:
            async with self._hashing:
                # Again: while this one waited, others may have failed.
                self._brake.refuse_if_early(key, address, local=local)
                return await self._check(key, password, address)
        finally:
            self._waiting[address] -= 1
            self._waiting = +self._waiting  # an address with none is not kept

    async def _check(self, key: str, password: str, address: str) -> tuple[str, Session]:
        try:
            user = self.users.users().get(key)
        except ConfigError as error:
            # The cause names files of this PC: for the log, not for whoever asks.
            await self._brake.failed(key, address, what="login", who="nobody", detail=str(error))
            raise Refused(Denial.STATE, "nobody can log in now; the log has the cause") from error
        # The same work for a name that nobody has: the time tells nothing.
        right = await asyncio.to_thread(matches, password, None if user is None else user.password)
        if user is None or not right:
            # A name that nobody has may be a password in the wrong field, and stays out of the audit.
            who = "unknown name" if user is None else user.name
            await self._brake.failed(key, address, what="login", who=who, detail=f"from {address}")
            raise Refused(Denial.CREDENTIALS)
        self._brake.succeeded(key, address)
        await self.tell(what="login", by=user.by, ok=True, detail=f"from {address}")
        return self.sessions.begin(user, self._clock())

    async def logout(self, session: Session) -> None:
        """End `session` everywhere it is open."""
        if self.sessions.end(session):
            await self.tell(what="logout", by=session.user.by, ok=True, detail="")

    def end_of_old(self, request: HTTPConnection) -> None:
        """Before a new login: the session that the browser still has ends, so that no token outlives it."""
        old = self.sessions.find(request.cookies.get(self.cookie, ""), self._clock())
        if old is not None:
            self.sessions.end(old)

    def cookie_options(self, request: HTTPConnection) -> dict[str, Any]:
        """What the cookie is set with: for this site alone, never for scripts, over TLS alone where there is TLS."""
        secure = self.section.tls or f"https://{request.headers.get('host', '').lower()}" in self.section.origins
        return {"httponly": True, "samesite": "strict", "secure": secure, "path": "/"}
