"""A whole line for each test: replayed boards, the daemon, a real Modbus/TCP server in another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.kit.boards.generate import generate, write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.setup import demo_recipe, line_config
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.messages import Outcome
from aoi_daemon.ring import events
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.control import request
from tests.line.models import copied, first_wrong
from tests.line.witnessed import pytest_runtest_makereport, pytest_runtest_protocol, pytest_terminal_summary
from tests.unit.publisher.mosquitto import broker, subscriber

__all__ = [  # fixtures and hooks that are defined elsewhere
    "broker", "pytest_runtest_makereport", "pytest_runtest_protocol", "pytest_terminal_summary", "subscriber",
]  # fmt: skip

TAKT_MS = 50.0
OPTIONS = BoardOptions(width_px=320, height_px=320, good_fraction=0.6)


@pytest.fixture(scope="session")
def boards(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("boards") / "set"
    write_boards(folder, 12, 3, OPTIONS)
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """The reference model with golden parts that it gets right: a template against itself, and against nothing."""
    folder = tmp_path_factory.mktemp("bundle") / "reference"
    golden = []
    for index in range(3):
        template = generate(3, index, OPTIONS).template
        damaged = template.copy()
        damaged[100:140, 100:140] = 255 - damaged[100:140, 100:140]
        golden += [GoldenPair(template, template, True), GoldenPair(damaged, template, False)]
    make_reference_bundle(folder, golden)
    return folder


@pytest.fixture
def wrong_bundle(tmp_path, bundle) -> Path:
    """A bundle whose first golden part does not get the verdict that it is said to have."""
    return copied(bundle, tmp_path / "wrong", first_wrong)


class TestLine:
    """The daemon and the PLC of one test, with the questions that tests ask."""

    __test__ = False

    def __init__(self, daemon: LineDaemon, plc: SimulatorProcess) -> None:
        self.daemon = daemon
        self.plc = plc
        self._outcomes: list[Outcome] = []

    def outcomes(self) -> list[Outcome]:
        """What became of every part so far, over restarts of the daemon too."""
        self._outcomes += self.daemon.outcomes()
        return self._outcomes

    def stage(self, label: str) -> int:
        """The pid of a stage."""
        pid: int = self.daemon.status()["stages"][label]
        assert pid
        return pid

    def now_ns(self) -> int:
        """The PLC's clock, which is CLOCK_MONOTONIC of this machine."""
        at_ns: int = self.plc.status()["at_ns"]
        return at_ns

    def first(self, kind: str, since_ns: int, timeout_s: float = 10.0) -> float:
        """Milliseconds from `since_ns` to the PLC's first event `kind` after it."""

        def look() -> float | None:
            return next((max(0.001, (e.at_ns - since_ns) / 1e6) for e in self.plc.events() if e.kind == kind and e.at_ns >= since_ns), None)

        found: float = wait_for(look, timeout_s, f"the PLC to see {kind}")
        return found

    def coils_since(self, since_ns: int) -> list[int]:
        """Every word written to the PLC since `since_ns`."""
        return [event.word for event in self.plc.events() if event.kind == "coils" and event.at_ns >= since_ns]

    def event_memory(self) -> SharedMemory:
        """The daemon's events, for a reader of the test's own; the caller closes it."""
        _, fds = request(self.daemon.socket, {"do": "events"})
        return SharedMemory(fds[0], events.SIZE_BYTES, read_only=True)

    def wait_parts(self, count: int, timeout_s: float = 20.0) -> None:
        """Until the PLC has decided `count` more parts."""
        seen = self.plc.decided()
        wait_for(lambda: self.plc.decided() >= seen + count, timeout_s, f"{count} more parts")

    def wait_ready(self, timeout_s: float = 20.0) -> None:
        """Until READY, as the PLC sees it."""
        self.plc.wait_until(lambda status: status["ready_effective"], timeout_s)

    def no_unproven_pass(self) -> None:
        """Every part that the PLC let go on was passed by the daemon, and no bad coil pattern was seen."""
        parts = self.plc.parts()
        # By the trigger's stamp: numbers start again with the daemon.
        passed = {part.trigger_ns for part in self.outcomes() if part.passed}
        for part in parts:
            assert part.ejected or part.trigger_ns in passed, part
        assert self.plc.status()["counters"]["faults"] == 0


def starter(owned: ExitStack, folder: Path, boards: Path, bundle: Path) -> Callable[..., TestLine]:
    """`start(**sections)`: start a line in `folder`, ended with `owned`.

    Keywords: `plc_options` for the simulator, `recipe` for keys of the recipe demo, `more` for other recipes, `beside`
    for further cameras, which are as the first but for the keys that are given. A key that is None is left out:
    `accept_unproven`, which else stands in for golden parts.
    """

    def start(
        *, plc_options: dict[str, Any] | None = None, recipe: dict[str, Any] | None = None,
        camera: dict[str, Any] | None = None, ready: bool = True, takt_ms: float = TAKT_MS,
        deadline_ms: float | None = None, use_bundle: Path = bundle,
        more: dict[str, dict[str, Any]] | None = None, beside: Sequence[dict[str, Any]] = (), views_ms: float = 5.0,
        **sections: Any,
    ) -> TestLine:  # fmt: skip
        deadline = deadline_ms or takt_ms
        plc = owned.enter_context(SimulatorProcess(scan_ms=0, deadline_ms=deadline, **(plc_options or {})))
        config = line_config(
            boards, takt_ms=takt_ms, deadline_ms=deadline, plc_port=plc.port,
            photo_eye_port=plc.photo_eye_port, **sections,
        )  # fmt: skip
        first = config["cameras"][0]
        first.update(camera or {})
        config["views_ms"] = views_ms
        alone = {key: value for key, value in first.items() if key != "photo_eye"}
        config["cameras"] += [alone | {"name": f"camera-{number}", **keys} for number, keys in enumerate(beside, start=2)]
        demo = {**demo_recipe(boards, use_bundle), **(recipe or {})}
        recipes = {"demo": demo, **{name: {**demo, "name": name, **keys} for name, keys in (more or {}).items()}}
        recipes = {name: {key: value for key, value in keys.items() if value is not None} for name, keys in recipes.items()}
        daemon = LineDaemon(folder / "line", config, recipes)
        owned.enter_context(daemon)
        found = TestLine(daemon, plc)
        daemon.watch()
        if ready:
            daemon.wait_ready()
            found.wait_ready()
        return found

    return start


@pytest.fixture
def line(tmp_path, boards, bundle):
    """`line(**sections)`: start a line of the test's own; see `starter`."""
    with ExitStack() as owned:
        yield starter(owned, tmp_path, boards, bundle)
