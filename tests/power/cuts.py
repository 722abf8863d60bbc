"""Cut the power at random points of a recording, and open what is left."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aoi_daemon.kit.line.daemon import LineDaemon
from aoi_daemon.kit.simulator.client import SimulatorProcess
from tests.power.disk import Disk, states
from tests.power.left import Confirmed, problems, put
from tests.power.recording import Recording, line_of

FAULTS = {
    "files": "no file is synced before it is renamed, and no database is synced at all",
    "folders": "no folder is synced",
    "wal": "a transaction is not synced (PRAGMA synchronous = NORMAL or OFF)",
}


@dataclass
class Result:
    """What a run of cuts has found: by cut (its seed), what was wrong."""

    cuts: int = 0
    started: int = 0
    confirmed_parts: int = 0
    wrong: dict[str, list[str]] = field(default_factory=dict)


def cut(
    recording: Recording, folder: Path, *, cuts: int, seed: int, fault: str = "", ready_every: int = 0,
    told: Callable[[Result], None] = lambda _: None,
) -> Result:  # fmt: skip
    """`cuts` of them; every `ready_every`th is given to the daemon, which must become READY by itself."""
    rng = random.Random(seed)
    log = recording.log
    places = sorted(rng.randint(0, len(log)) for _ in range(cuts))
    disk = Disk(recording.files, recording.folders, fault)
    confirmed, counted, result = Confirmed(), 0, Result()
    for place in states(disk, log, places):
        for record in log[counted:place]:
            if record.kind == "M":
                confirmed.add(json.loads(record.data))
        counted = place
        name = f"{seed}/{result.cuts} at record {place}"
        put(folder, disk, random.Random(name))
        wrong = list(problems(folder, confirmed, recording))
        result.cuts += 1
        result.confirmed_parts = confirmed.parts
        if ready_every and result.cuts % ready_every == 0:
            put(folder, disk, random.Random(name))  # as it was left, not as it was mended
            wrong += _not_ready(folder, recording)
            result.started += 1
        if wrong:
            result.wrong[name] = wrong
        told(result)
    return result


def _not_ready(folder: Path, recording: Recording) -> list[str]:
    """Power is back: the whole daemon on what is left, with a PLC and parts, and no person."""
    with SimulatorProcess(scan_ms=0, deadline_ms=50.0) as plc:
        config, recipes = line_of(recording.boards, recording.bundle, plc)
        with LineDaemon(folder, config, recipes) as daemon:
            daemon.wait_ready()
            plc.wait_until(lambda status: status["ready_effective"], 20)
            before = plc.decided()
            plc.wait_until(lambda _: plc.decided() >= before + 5, 20)
            alarms = [alarm["name"] for alarm in daemon.status()["alarms"] if alarm["name"].startswith("RECORD")]
            if daemon.stop():
                return [f"the daemon ended badly:\n{daemon.log()}"]
    return [f"alarms after the cut: {alarms}"] if alarms else []
