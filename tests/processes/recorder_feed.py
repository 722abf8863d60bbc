"""A line's shared memory without the line: what acquire, plc and supervisor write, and a real recorder beside it."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from aoi_daemon.config.load import load
from aoi_daemon.messages import Defect, Outcome, Reason, pack_defects
from aoi_daemon.records import queries
from aoi_daemon.records.database import RecordsError, open_reader
from aoi_daemon.ring.events import EventWriter
from aoi_daemon.ring.frames import FrameRing
from aoi_daemon.ring.verdicts import VerdictWriter
from aoi_daemon.stage.board import CameraCell, camera_cell
from aoi_daemon.stage.process import StageProcess
from aoi_daemon.stage.stage import Setup, now_ns, ring_layout
from aoi_daemon.supervisor.shared import Shared

MS = 1_000_000
RUN = "0123456789abcdef" * 2
MANIFEST = {
    "version": 1, "name": "b", "classes": ["open", "short"], "has_template": True,
    "models": {"fp32": {"file": "fp32.onnx", "sha256": "0" * 64}},
}  # fmt: skip


def write_config(where: Path, *, size: int = 64, takt_ms: float = 50.0, cameras: int = 1, **recorder: Any) -> Path:
    """line.toml with a recipe and a bundle's manifest: all that a recorder reads of them."""
    (where / "recipes").mkdir(parents=True, exist_ok=True)
    (where / "bundle").mkdir(exist_ok=True)
    (where / "source").mkdir(exist_ok=True)
    (where / "bundle" / "manifest.json").write_text(json.dumps(MANIFEST))
    line = {
        "line": {"takt_ms": takt_ms, "deadline_ms": takt_ms},
        "cameras": [
            {"name": f"cam{n}", "kind": "replay", "source": "source", "max_width_px": size, "max_height_px": size}
            for n in range(cameras)
        ],
        # More than half a second of parts: what is tried here is the recorder, not a busy machine's scheduler.
        "ring": {"slots": 64},
        "plc": {"answer_ms": takt_ms / 5},
        "log": {"format": "json"},
        "recorder": {"folder": "records", "min_free_gb": 0.0, "passes_sampled_percent": 0.0, **recorder},
    }
    recipe = {"id": 1, "name": "demo", "bundle": "../bundle", "width_px": size, "height_px": size}
    (where / "line.toml").write_text(tomli_w.dumps(line))
    (where / "recipes" / "demo.toml").write_text(tomli_w.dumps(recipe))
    return where / "line.toml"


class RecorderFeed:
    """Feeds a recorder process. `start`, `kill`, `stop` it; `part` makes parts come."""

    def __init__(self, config: Path, run: str = RUN) -> None:
        self.configuration = load(config)
        self.folder = self.configuration.line.recorder.folder_in(config.parent)
        self.run = run
        self._owned = ExitStack()
        line = self.configuration.line
        self.shared = self._owned.enter_context(Shared(line))
        self.verdicts = VerdictWriter(self.shared.verdict_memory)
        self.events = EventWriter(self.shared.event_memory)
        self.rings = [
            FrameRing(self.shared._memories[f"ring{n}"], ring_layout(line, n)) for n in range(len(line.cameras))
        ]
        self.log_file = config.parent / "recorder.log"
        self._log = self._owned.enter_context(self.log_file.open("ab"))
        self.process = StageProcess("recorder", 0, self._log.fileno())
        self.facts: dict[str, Any] = {}
        self.numbers = itertools.count(1)
        self.frames = [0] * len(line.cameras)
        self.last_frame = [np.zeros(0, np.uint8)] * len(line.cameras)

    # -- the process -----------------------------------------------------------

    def start(self, **environment: str) -> None:
        """Start a recorder and wait until it speaks."""
        with self.shared.read_only_fds() as fds:
            setup = Setup(
                stage="recorder", index=0, config=self.configuration.line, recipe=self.configuration.recipe,
                log_format="json", run=self.run, config_file=self.configuration.file,
                socket=self.configuration.file.parent / "none.sock", fds=fds,
            )  # fmt: skip
            self.process.start(setup)
        self.facts = {}
        # It has nice 10: beside other work its imports alone were seen to take 20 s.
        self.wait_for(self.hear, 60, "the recorder to speak")

    def hear(self) -> dict[str, Any]:
        """The last facts that it has told."""
        for message in self.process.heard():
            if message.pop("tell") == "alive":
                self.facts = message
        return self.facts

    def state(self) -> str:
        """Its state, as it was last told."""
        return self.hear().get("state", "")

    def kill(self) -> None:
        """SIGKILL, and its end."""
        self.process.signal(signal.SIGKILL)
        self.process.reap()

    def stop(self) -> str:
        """Tell it to stop, and wait; how it ended."""
        self.process.tell(do="stop")
        return self.process.reap()

    def wait_for(self, condition: Any, timeout_s: float, what: str) -> Any:
        """Until `condition()`; fails after `timeout_s`."""
        until = time.monotonic() + timeout_s
        while not (found := condition()):
            if time.monotonic() > until:
                raise AssertionError(f"waited {timeout_s} s in vain for {what}; {self.facts}\n{self.log()}")
            time.sleep(0.01)
        return found

    def log(self) -> str:
        """The recorder's log."""
        return self.log_file.read_text()

    # -- the line --------------------------------------------------------------

    def frame(self, camera: int = 0, *, template: bool = True, trigger_ns: int = 0) -> int:
        """acquire: a frame comes; its ready_ns."""
        ring = self.rings[camera]
        self.frames[camera] += 1
        number = self.frames[camera]
        ring.begin(number)
        image, plane = ring.planes(number)
        side = self.configuration.line.cameras[camera].max_width_px
        rng = np.random.default_rng(number)
        image[: side * side] = rng.integers(0, 2, side * side // 16, np.uint8).repeat(16) * 255
        image[:8] = np.frombuffer(number.to_bytes(8, "little"), np.uint8)
        if template:
            plane[: side * side] = 255
        ready_ns = now_ns()
        ring.publish(
            number, (side, side, 1), fov=0, trigger_ns=trigger_ns or ready_ns, ready_ns=ready_ns, has_template=template
        )
        self.shared.board[camera_cell(camera, CameraCell.FRAME)] = number
        self.last_frame[camera] = image[: side * side].reshape(side, side).copy()
        return ready_ns

    def verdict(self, ready_ns: int, reason: Reason = Reason.NONE, **fields: Any) -> Outcome:
        """plc: what became of a part."""
        number = next(self.numbers)
        defects = (Defect(1, 0.9, 4.0, 5.0, 20.0, 30.0),) if reason is Reason.DEFECT else ()
        sent_ns = now_ns()
        outcome = Outcome(
            part=number, passed=reason is Reason.NONE, reason=reason, camera=0, worst_class=1 if defects else -1,
            defect_count=len(defects), recipe=1, fov=0, sequence=number, bundle=0, offset_x=0, offset_y=0,
            trigger_ns=ready_ns, ready_ns=ready_ns, deadline_ns=ready_ns + 50 * MS, picked_ns=ready_ns,
            inferred_ns=ready_ns, judged_ns=sent_ns, sent_ns=sent_ns, answered_ns=sent_ns + MS,
            defects=pack_defects(defects),
        )._replace(**fields)  # fmt: skip
        self.verdicts.append(outcome)
        return outcome

    def part(self, reason: Reason = Reason.NONE, **fields: Any) -> Outcome:
        """A frame and its verdict."""
        return self.verdict(self.frame(), reason, **fields)

    def parts(self, count: int, *, every: int = 5, takt_s: float = 0.01) -> None:
        """`count` parts, each `every`th a reject, at a takt that the recorder's poll keeps up with."""
        for number in range(1, count + 1):
            self.part(Reason.DEFECT if number % every == 0 else Reason.NONE)
            time.sleep(takt_s)

    def alarm(self, name: str, state: str = "unacknowledged") -> None:
        """supervisor: an alarm moves."""
        self.events.append("alarm", {"name": name, "state": state, "was": "normal"}, now_ns())

    # -- what is recorded --------------------------------------------------------

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query; none while there is no database."""
        try:
            connection = open_reader(self.folder)
        except RecordsError:
            return []
        with closing(connection):
            return connection.execute(query, values).fetchall()

    def recorded(self) -> list[int]:
        """The parts' numbers, in order of recording."""
        return [part for (part,) in self.read("SELECT part FROM parts ORDER BY id")]

    def recorded_parts(self) -> int:
        """How many parts."""
        found = self.read("SELECT count(*) FROM parts")
        return found[0][0] if found else 0

    def images(self) -> list[Any]:
        """All pictures with their parts' numbers: (part, kind, why, file, around)."""
        return self.read(
            "SELECT p.part, i.kind, i.why, i.file, a.part FROM images i LEFT JOIN parts p ON p.id = i.part_id "
            "LEFT JOIN parts a ON a.id = i.around_id ORDER BY i.id"
        )

    def gaps(self) -> list[Any]:
        """What was lost."""
        with closing(open_reader(self.folder)) as connection:
            return queries.gaps(connection, 0.0)

    def close(self) -> None:
        """End everything."""
        if self.process.pid:
            self.kill()
        self._owned.close()


def mounted(folder: Path, megabytes: int) -> bool:
    """A tmpfs of so many MB on `folder`; False where this process may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    return done.returncode == 0


def fill(folder: Path) -> Path:
    """Take the disk's last byte; the file that did it."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * piece)
            except OSError:
                continue
    return filler
