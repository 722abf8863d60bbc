"""A line that runs, with all that is written to its folder in a log; see write_log.c."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.kit.boards.generate import generate, write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import LineDaemon, wait_for
from aoi_daemon.kit.line.setup import demo_recipe, line_config
from aoi_daemon.kit.simulator.client import SimulatorProcess
from aoi_daemon.records.database import open_reader
from tests.power.disk import Record, read_log
from tests.preload import build as build_library

SOURCE = Path(__file__).with_name("write_log.c")
TAKT_MS = 50.0
OPTIONS = BoardOptions(width_px=320, height_px=320, good_fraction=0.5)


class NoLogError(Exception):
    """Writes cannot be recorded on this machine; the text says what is missing and how to get it."""


@dataclass(frozen=True)
class Recording:
    """What was there at the beginning, what was written, and what the records held at the end."""

    files: dict[str, tuple[int, bytes, int]]
    folders: set[str]
    log: list[Record]
    parts: dict[int, tuple[Any, ...]]
    boards: Path
    bundle: Path


def build(folder: Path) -> Path:
    """The library, built in `folder`.

    Raises:
        NoLogError: there is no C compiler.
    """
    return build_library(SOURCE, folder, "log of writes", NoLogError)


def line_of(boards: Path, bundle: Path, plc: SimulatorProcess) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """line.toml and the recipes, all that is written below the line's own folder."""
    config = line_config(
        boards, takt_ms=TAKT_MS, deadline_ms=TAKT_MS, plc_port=plc.port, photo_eye_port=plc.photo_eye_port,
        recorder={"folder": "records", "passes_sampled_percent": 20.0}, supervisor={"state_folder": "state"},
    )  # fmt: skip
    demo = demo_recipe(boards, bundle)
    return config, {"demo": demo, "other": {**demo, "id": 2, "name": "other"}}


def record(work: Path, seconds: float) -> Recording:
    """Run a line and its desk for so long.

    Raises:
        NoLogError: see `build`.
        DaemonError: the line does not become READY.
    """
    library, boards, bundle, log = build(work), work / "boards", work / "bundle", work / "log"
    write_boards(boards, 6, 3, OPTIONS)
    template = generate(3, 0, OPTIONS).template
    damaged = template.copy()
    damaged[100:140, 100:140] = 255 - damaged[100:140, 100:140]
    make_reference_bundle(bundle, [GoldenPair(template, template, True), GoldenPair(damaged, template, False)])
    folder = work / "line"
    (folder / "state").mkdir(parents=True)
    with ExitStack() as owned:
        plc = owned.enter_context(SimulatorProcess(scan_ms=0, deadline_ms=TAKT_MS))
        daemon = LineDaemon(folder, *line_of(boards, bundle, plc))
        files, folders = _look(folder)
        preload = {"LD_PRELOAD": str(library), "POWER_ROOT": str(folder), "POWER_LOG": str(log)}
        with _environment(preload):
            owned.enter_context(daemon)
        daemon.wait_ready()
        wait_for((folder / "records" / "records.sqlite").exists, 20, "the recorder to begin")
        desk = [sys.executable, "-m", "tests.power.desk", str(folder), str(log), str(seconds)]
        subprocess.run(desk, env={**os.environ, **preload}, check=True, timeout=60 + 3 * seconds)
        assert daemon.stop() == 0, daemon.log()
    with closing(open_reader(folder / "records")) as connection:
        parts = {row[0]: row for row in connection.execute("SELECT * FROM parts")}
    return Recording(files, folders, read_log(log), parts, boards, bundle)


def _look(folder: Path) -> tuple[dict[str, tuple[int, bytes, int]], set[str]]:
    files, folders = {}, set()
    for path in folder.rglob("*"):
        name, found = path.relative_to(folder).as_posix(), path.stat()
        if path.is_dir():
            folders.add(name)
        else:
            files[name] = (found.st_ino, path.read_bytes(), found.st_mode & 0o7777)
    return files, folders


@contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]
        os.environ.update(before)
