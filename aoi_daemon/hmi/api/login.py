"""Login, logout, and who is logged in, over HTTP."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from aoi_daemon.errors import ConfigError
from aoi_daemon.hmi.access.guard import LOGIN
from aoi_daemon.hmi.access.page import POLICY, local_path, login_page
from aoi_daemon.hmi.access.roles import PERMISSIONS, Access, Denial, Refused, Session
from aoi_daemon.hmi.api.body import STATUSES, json_answer, read_body, refusal, retry_header

LOGOUT = "/logout"


class LoginRoutes:
    """Login to the line called `line`, through `access`."""

    def __init__(self, access: Access, line: str) -> None:
        self._access = access
        self._line = line

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route(LOGIN, self._show, methods=["GET"]),
            Route(LOGIN, self._login, methods=["POST"]),
            Route(LOGOUT, self._logout, methods=["POST"]),
            Route("/api/session", self._session, methods=["GET"]),
        ]

    async def checked(self, request: Request) -> tuple[Session, dict[str, Any]]:
        """The session of an acting request and its body's values, once the CSRF token was in it or in a header.

        Raises:
            Refused: LOGIN, CSRF or INPUT.
        """
        session = self._access.session_of(request)
        if session is None:
            raise Refused(Denial.LOGIN)
        values = await read_body(request)
        told = str(values.pop("csrf", "") or request.headers.get("x-csrf-token", ""))
        if not hmac.compare_digest(told.encode("utf-8", "surrogatepass"), session.csrf.encode()):
            raise Refused(Denial.CSRF)
        return session, values

    async def _show(self, request: Request) -> Response:
        if self._access.session_of(request) is not None:
            return RedirectResponse(local_path(request.query_params.get("next", "/")), HTTPStatus.SEE_OTHER)
        return self._page(local_path(request.query_params.get("next", "/")))

    def _page(self, after: str, refused: Refused | None = None) -> Response:
        try:
            empty = not self._access.users.users()
        except ConfigError as error:
            empty, refused = False, refused or Refused(Denial.STATE, str(error))
        denial = None if refused is None else refused.denial
        wait_s = 0.0 if refused is None else refused.wait_s
        page = login_page(
            self._line, self._access.section.language, after=after, denial=denial, wait_s=wait_s,
            may_look=self._access.section.open_view, no_users=empty,
        )  # fmt: skip
        status = HTTPStatus.OK if refused is None else STATUSES[refused.denial]
        headers = {"content-security-policy": POLICY, "cache-control": "no-store", **retry_header(wait_s)}
        return HTMLResponse(page, status, headers)

    async def _login(self, request: Request) -> Response:
        plain = "application/json" in request.headers.get("accept", "")
        after = "/"
        try:
            values = await read_body(request)
            after = local_path(str(values.get("next", "/")))
            name, password = values.get("name"), values.get("password")
            if not (isinstance(name, str) and isinstance(password, str) and name and password):
                raise Refused(Denial.INPUT, "name and password: texts that are not empty")
            address = request.client.host if request.client is not None else ""
            token, session = await self._access.login(name[:64], password, address)
        except Refused as refused:
            return refusal(refused) if plain else self._page(after, refused)
        self._access.end_of_old(request)
        response: Response = (
            json_answer(self._about(session)) if plain else RedirectResponse(after, HTTPStatus.SEE_OTHER)
        )
        response.headers["cache-control"] = "no-store"
        response.set_cookie(self._access.cookie, token, **self._access.cookie_options(request))
        return response

    async def _logout(self, request: Request) -> Response:
        try:
            session, _ = await self.checked(request)
        except Refused as refused:
            return refusal(refused)
        await self._access.logout(session)
        response = RedirectResponse("/" if self._access.section.open_view else LOGIN, HTTPStatus.SEE_OTHER)
        response.delete_cookie(self._access.cookie, **self._access.cookie_options(request))
        return response

    def _about(self, session: Session) -> dict[str, Any]:
        may = sorted(action.value for action in PERMISSIONS[session.user.role])
        return {
            "ok": True,
            "user": session.user.name,
            "role": session.user.role.value,
            "may": may,
            "csrf": session.csrf,
        }

    async def _session(self, request: Request) -> Response:
        session = self._access.session_of(request)
        return refusal(Refused(Denial.LOGIN)) if session is None else json_answer(self._about(session))
