"""Sessions: who is logged in. Pure: times are CLOCK_MONOTONIC ns, passed in.

They are kept in memory alone. A page that is started again asks for a new
login; in return a logout, a changed role and a new password take effect at
once, and there is no key on the disk with which sessions could be forged.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

from aoi_daemon.hmi.access.users import User

_TOKEN_BYTES: Final = 32
_MOST: Final = 256
"""Sessions at a time; the one that was longest idle makes room."""


@dataclass(frozen=True)
class Session:
    """One login. `csrf` goes into each form and each acting request; `key` stands for the cookie's token."""

    user: User
    key: str
    csrf: str = field(repr=False)
    began_ns: int = 0


class Sessions:
    """All sessions; one ends `idle_ns` after its last action, and `longest_ns` after its login."""

    def __init__(self, idle_ns: int, longest_ns: int) -> None:
        self._idle_ns = idle_ns
        self._longest_ns = longest_ns
        self._open: dict[str, Session] = {}
        self._acted_ns: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, user: User, now_ns: int) -> tuple[str, Session]:
        """A new session and the token for its cookie, which is never the one of an earlier session."""
        self._forget_ended(now_ns)
        if len(self._open) >= _MOST:
            self._drop(min(self._acted_ns, key=self._acted_ns.__getitem__))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        session = Session(user, _key(token), secrets.token_urlsafe(_TOKEN_BYTES), now_ns)
        self._open[session.key] = session
        self._acted_ns[session.key] = now_ns
        return token, session

    def find(self, token: str, now_ns: int) -> Session | None:
        """The session of a cookie's token; None when there is none, or it has ended."""
        session = self._open.get(_key(token)) if token else None
        return None if session is None else self.current(session, now_ns)

    def current(self, session: Session, now_ns: int) -> Session | None:
        """`session` while it lasts, else None."""
        if session.key not in self._open:
            return None
        idle_ns = now_ns - self._acted_ns[session.key]
        if idle_ns >= self._idle_ns or now_ns - session.began_ns >= self._longest_ns:
            self._drop(session.key)
            return None
        return session

    def touch(self, session: Session, now_ns: int) -> None:
        """Its user did something."""
        if session.key in self._open:
            self._acted_ns[session.key] = now_ns

    def end(self, session: Session) -> bool:
        """End it; False when it had ended before."""
        return self._drop(session.key)

    def _drop(self, key: str) -> bool:
        self._acted_ns.pop(key, None)
        return self._open.pop(key, None) is not None

    def _forget_ended(self, now_ns: int) -> None:
        for session in list(self._open.values()):
            self.current(session, now_ns)


def _key(token: str) -> str:
    # Looked up by its hash: how long a look-up takes says nothing about the token.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
