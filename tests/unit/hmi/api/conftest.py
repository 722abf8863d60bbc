"""A page's process with records, asked over HTTP without a network, as the page's own tests have it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from aoi_daemon.hmi.api.routes import Backend
from tests.unit.hmi.pages.conftest import make_stage, records  # noqa: F401  # fixtures


class Api:
    """The routes behind their doors, and a program that asks; `told` is what the audit was told."""

    __test__ = False

    def __init__(self, stage, folder) -> None:
        self.folder = folder
        self.backend = Backend.of(stage)
        self.clock_ns = 10**12
        self.told: list[dict] = []

        async def tell(**line):
            self.told.append(line)

        access = self.backend.access
        brakes = (access._brake, self.backend.parts._readers._brake)
        for each in (access, *brakes):
            each._clock = lambda: self.clock_ns
        for each in brakes:
            each._audit = tell
        access.tell = tell
        self.app = self.backend.behind_doors([])

    def get(self, path: str, *, token: str | None = None, client: str = "10.0.0.9", **headers: str) -> httpx.Response:
        sent = headers if token is None else {**headers, "authorization": f"Bearer {token}"}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(client, 5))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
                return await http.get(path, headers=sent)

        return asyncio.run(ask())

    def close(self) -> None:
        self.backend.desk.close()


@pytest.fixture
def api(make_stage, records, tmp_path):  # noqa: F811
    """`api(**hmi)`: with a records folder; tokens are in the file beside line.toml."""
    started: list[Api] = []

    def start(**hmi) -> Api:
        started.append(Api(make_stage(recorder={"folder": str(records.folder)}, hmi=hmi), tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.close()
