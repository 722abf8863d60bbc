"""The publisher as the supervisor starts it, with the supervisor's end in the test's hands."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.kit.line.daemon import DaemonError, wait_for
from aoi_daemon.stage.stage import Setup
from tests.unit.publisher.published_line import PublishedLine, as_wanted

RECIPE = {"id": 7, "name": "board-a", "bundle": "unused", "width_px": 64, "height_px": 64, "limits": [{"name": "*"}]}


class SupervisedPublisher(PublishedLine):
    """A publisher of the records in `folder`/records; `section` is its part of line.toml."""

    def __init__(self, folder: Path, *, environment: dict[str, str] | None = None, **section: Any) -> None:
        self.folder = folder
        self.records = folder / "records"
        line = {
            "cameras": [{"kind": "replay", "source": "unused"}],
            "recorder": {"folder": str(self.records)},
            "publisher": {"host": "127.0.0.1", **section},
        }
        self.section = line["publisher"]
        self._config = LineConfig.model_validate_json(json.dumps(line))
        self._environment = {**os.environ, **(environment or {})}
        super().__init__()
        self.log_file = folder / "publisher.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self.facts: dict[str, Any] = {}

    def start(self) -> None:
        self.facts = {}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aoi_daemon", "stage", "publisher", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs.fileno()], env=self._environment,
            )  # fmt: skip
        fds = {"board": self._board_memory.read_only_fd(), "events": self._event_memory.read_only_fd()}
        recipe = Recipe.model_validate_json(json.dumps(RECIPE))
        setup = Setup(
            "publisher", 0, self._config, recipe, "json", "f" * 32, self.folder / "line.toml", self.folder / "socket", fds
        )
        setup.send(ours)
        for fd in fds.values():
            os.close(fd)
        self._control = ours

    def tell(self, **command: Any) -> None:
        assert self._control is not None
        self._control.send(json.dumps(command).encode())

    def hear(self) -> dict[str, Any]:
        """What it last said of itself."""
        assert self._control is not None
        while select.select([self._control], [], [], 0)[0] and (data := self._control.recv(1 << 17)):
            self.facts = json.loads(data)
        return self.facts

    def wait_facts(self, timeout_s: float = 15.0, **wanted: Any) -> dict[str, Any]:
        """Until each fact is as wanted; a text: contains it."""

        def there() -> bool:
            found = self.hear()
            return bool(found) and as_wanted(found, wanted)

        try:
            wait_for(there, timeout_s, str(wanted))
        except DaemonError as error:
            raise DaemonError(f"{error}; it says {self.facts}\n{self.log()}") from None
        return self.facts

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def kill(self) -> None:
        assert self.process is not None and self._control is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        self._control.close()

    def stop(self) -> int:
        """As the supervisor does; the exit code."""
        assert self.process is not None and self._control is not None
        if self.process.poll() is None:
            self.tell(do="stop")
        code = self.process.wait(10)
        self._control.close()
        return code

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._control is not None:
            self._control.close()
        self.close_memory()

    def __enter__(self) -> SupervisedPublisher:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
