"""The page's way to the control socket: in worker threads, a few at a time, each with a time-out.

Process: hmi. Blocks: a worker, never the event loop; a daemon that does not answer costs the page nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from aoi_daemon.hmi.access.roles import Denial, Refused
from aoi_daemon.stage.control import NotRunningError, request
from aoi_daemon.stage.logs import logger

VIA: Final = "page"
_WORKERS: Final = 4
_MOST: Final = 16
_AUDIT_S: Final = 5.0
_MAX_DETAIL: Final = 500
T = TypeVar("T")


class Desk:
    """Does the page's slow work: control requests, the audit, writes to the records. Close it at the end."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="desk")
        self._under_way = 0
        self._audits: set[asyncio.Task[None]] = set()
        self._log = logger()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(*arguments)` in a worker. Raises Refused when too much is under way, and what `work` raises."""
        if self._under_way >= _MOST:
            raise Refused(Denial.UNREACHABLE, "the daemon does not answer, and much is waiting for it; try later", 5.0)
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work, *arguments)
        finally:
            self._under_way -= 1

    async def ask(self, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """One request to the daemon; its answer, whether it is `ok` or not.

        Raises:
            Refused: UNREACHABLE; it is not known whether a daemon that did not answer in time does it later.
        """
        return await self.run(_ask, self._socket, {**body, "via": VIA}, timeout_s)

    async def audit(self, *, what: str, by: str, ok: bool, detail: str = "") -> None:
        """Tell the audit; done in the background, and in the log alone when the daemon does not take it."""
        body = {"do": "audit", "what": what, "by": by, "ok": ok, "detail": detail[:_MAX_DETAIL]}
        task = asyncio.create_task(self._tell(body))
        self._audits.add(task)
        task.add_done_callback(self._audits.discard)

    async def _tell(self, body: dict[str, Any]) -> None:
        try:
            answer = await self.ask(body, _AUDIT_S)
            error = "" if answer.get("ok") else str(answer.get("error"))
        except Refused as refused:
            error = str(refused)
        if error:
            self._log.warning("audit_not_kept", error=error, **{k: v for k, v in body.items() if k != "do"})

    async def drain(self) -> None:
        """Until what has been told to the audit is there."""
        while self._audits:
            await asyncio.gather(*self._audits)

    def close(self) -> None:
        """End the workers; those that wait for the daemon end with their time-out."""
        self._workers.shutdown(wait=False, cancel_futures=True)


def _ask(socket: Path, body: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    try:
        answer, fds = request(socket, body, timeout_s)
    except NotRunningError as error:
        raise Refused(Denial.UNREACHABLE, str(error)) from error
    except json.JSONDecodeError as error:
        raise Refused(Denial.UNREACHABLE, f"{socket}: the answer is no JSON: {error}") from error
    for fd in fds:
        os.close(fd)
    return answer
