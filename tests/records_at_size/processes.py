"""A page and a recorder of the daemon on a folder of records, with no line beside them; what they cost."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import tomli_w

from aoi_daemon.files import toml
from aoi_daemon.hmi.access.password import keep
from aoi_daemon.hmi.access.users import Role, User, change_users, folded
from aoi_daemon.records.database import DATABASE, open_reader
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup
from tests.processes.recorder_feed import RecorderFeed

_PORT: Final = 18_089
_PASSWORD: Final = "rail-lamp-seven-4"


class Page:
    """The real page, started on `feed`'s line."""

    def __init__(self, feed: RecorderFeed) -> None:
        self._feed = feed
        self.process = StageProcess("hmi", 0, feed._log.fileno())
        self._cookie = ""

    def start(self) -> None:
        feed = self._feed
        with feed.shared.read_only_fds() as fds:
            setup = Setup(
                stage="hmi", index=0, config=feed.configuration.line, recipe=feed.configuration.recipe, log_format="json",
                run=feed.run, config_file=feed.configuration.file, socket=feed.configuration.file.parent / "none.sock",
                fds=fds,
            )  # fmt: skip
            self.process.start(setup)
        until = time.monotonic() + 60
        while True:
            try:
                self.get("/healthz")
                return
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def get(self, path: str) -> tuple[int, bytes, float]:
        """(status, body, seconds)."""
        began_s = time.monotonic()
        with closing(http.client.HTTPConnection("127.0.0.1", _PORT, timeout=60)) as asked:
            asked.request("GET", path, headers={"cookie": self._cookie})
            answer = asked.getresponse()
            body = answer.read()
        return answer.status, body, time.monotonic() - began_s

    def log_in(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", _PORT, timeout=60)) as asked:
            headers = {"accept": "application/json", "content-type": "application/json", "origin": f"http://127.0.0.1:{_PORT}"}
            asked.request("POST", "/login", json.dumps({"name": "max", "password": _PASSWORD}), headers)
            answer = asked.getresponse()
            answer.read()
            self._cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        assert answer.status == 200 and self._cookie, "login"

    def peak_mb(self) -> float:
        return peak_mb(self.process.pid)

    def stop(self) -> None:
        self.process.tell(do="stop")
        self.process.reap()


def peak_mb(pid: int) -> float:
    """The most memory that process `pid` has had, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_of(pid: int) -> float:
    """Seconds of CPU that process `pid` has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drop(records: Path) -> None:
    """Drop the database from the system's cache."""
    for file in records.glob(f"{DATABASE}*"):
        handle = os.open(file, os.O_RDONLY)
        try:
            os.fsync(handle)  # pages that are yet to be written stay
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


@contextmanager
def line(folder: Path) -> Iterator[RecorderFeed]:
    """A line's memory on the configuration in `folder`, with a page and a user for it."""
    config = folder / "line.toml"
    body = toml.parse(config.read_text())
    body["hmi"] = {"port": _PORT}
    config.write_text(tomli_w.dumps(body))
    users = {folded("max"): User("max", Role.MAINTENANCE, keep(_PASSWORD))}
    change_users(folder / "users.toml", lambda found: found.update(users))
    feed = RecorderFeed(config, run=os.urandom(16).hex())
    try:
        yield feed
    finally:
        feed.close()


def first_row(feed: RecorderFeed, records: Path) -> Callable[[], bool]:
    """Whether a part of this run is recorded, asked over one connection that is open."""
    connection = open_reader(records)

    def found() -> bool:
        row = connection.execute(
            "SELECT 1 FROM parts WHERE run_id = (SELECT id FROM runs WHERE run = ?) LIMIT 1", (feed.run,)
        ).fetchone()
        if row is not None:
            connection.close()
        return row is not None

    return found
