"""Who may read the records by the API: a token, or the login of somebody who may take records away.

Looking may be open to all (`open_view`), and reading a machine's worth of records is not looking: it is what EXPORT
is for, which each shift report as CSV asks for, too. So the API is never open (decision 57).

Process: hmi. Blocks: never.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from aoi_daemon.config.hmi import is_loopback
from aoi_daemon.errors import ConfigError
from aoi_daemon.hmi.access.roles import Access, Action, Brake, Denial, Refused
from aoi_daemon.hmi.access.tokens import TokenFile, hash_of, name_of
from aoi_daemon.hmi.doors.doors import one_address

_SCHEME: Final = "bearer "
_KNOWN: Final = 256
"""Tokens with their addresses that the audit has since the page was started; beyond that it begins anew."""
REMEDY: Final = (
    "the token is none of this line's: `aoi-daemon token list` names them, `aoi-daemon token add NAME` makes one; "
    "send it as the header Authorization: Bearer TOKEN"
)


class Readers:
    """Asks for `access` and the tokens of `tokens`.

    `brake` is not that of the passwords: else a program whose token was removed, and that asks on and on, would keep
    the operator of the same PC, or behind the same address, from logging in.
    """

    def __init__(self, access: Access, tokens: TokenFile, brake: Brake) -> None:
        self._access = access
        self._brake = brake
        self._tokens = tokens
        self._told: set[tuple[str, str]] = set()

    async def need(self, request: Request) -> str:
        """Who reads, as the audit names him.

        Raises:
            Refused: LOGIN or ROLE; CREDENTIALS for a wrong token, TOO_OFTEN after some, STATE when the file of tokens
                cannot be used.
        """
        sent = request.headers.get("authorization")
        if sent is None:
            session = self._access.session_of(request)
            if session is None:
                raise Refused(Denial.LOGIN, f"log in as somebody who may export, or send a token; {REMEDY}")
            return self._access.need(session, Action.EXPORT).user.by
        address = request.client.host if request.client is not None else ""
        return await self._by_token(sent, one_address(address), local=is_loopback(address))

    async def _by_token(self, sent: str, address: str, *, local: bool) -> str:
        token = sent[len(_SCHEME) :].strip() if sent.lower().startswith(_SCHEME) else ""
        brake = self._brake
        # By its hash: what was tried holds up whoever tries it, and its address, and nobody else.
        key = f"token {hash_of(token)[:16]}"
        brake.refuse_if_early(key, address, local=local)
        try:
            name = name_of(token, self._tokens.now())
        except ConfigError as error:
            # The cause names files of this PC: for the log, not for whoever asks.
            await brake.failed(key, address, who="nobody", detail=str(error), what="token")
            raise Refused(Denial.STATE, "no token is taken now; the log has the cause") from error
        if name is None:
            await brake.failed(key, address, who="unknown token", detail=f"from {address}", what="token")
            raise Refused(Denial.CREDENTIALS, REMEDY)
        brake.succeeded(key, address)
        if (name, address) not in self._told:
            if len(self._told) >= _KNOWN:
                self._told.clear()
            self._told.add((name, address))
            await self._access.tell(what="token", by=f"{name} (token)", ok=True, detail=f"from {address}")
        return f"{name} (token)"
