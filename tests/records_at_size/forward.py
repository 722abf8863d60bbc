"""A recorder on records of an older version, fed at a takt of 50 ms until all of them are filled."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from aoi_daemon.messages import Reason
from aoi_daemon.records.database import open_reader
from tests.records_at_size.processes import drop, first_row, line

READY_S: Final = 2.0


def forward(folder: Path) -> int:
    """Start it, and say how long what took; 1 where a limit is not kept."""
    records = folder / "records"
    with line(folder) as feed:
        drop(records)
        began_s = time.monotonic()
        feed.part()
        feed.start()
        recorded = first_row(feed, records)
        told: list[Any] = []
        states = set()
        ready_s = done_s = 0.0
        asked_s = 0.0
        number = 1
        while not done_s or number < 200:
            number += 1
            feed.part(Reason.DEFECT if number % 30 == 0 else Reason.NONE)
            facts = feed.hear()
            states.add(facts.get("state", ""))
            if not ready_s and recorded():
                ready_s = time.monotonic() - began_s
            percent = facts.get("brought_forward_percent")
            if percent is not None and percent not in told:
                told.append(percent)
            if time.monotonic() - asked_s > 1:
                asked_s = time.monotonic()
                with closing(open_reader(records)) as connection:
                    left = connection.execute("SELECT count(*) FROM fills").fetchone()[0]
                done_s = done_s or (0.0 if left else time.monotonic() - began_s)
            time.sleep(0.05)
        feed.stop()
        gaps = [gap for gap in feed.gaps() if gap.run == feed.run]
    sys.stdout.write(f"first row after {ready_s:.2f} s; all filled after {done_s:.0f} s; {number} parts recorded meanwhile\n")
    sys.stdout.write(f"states {sorted(states)}, gaps {gaps}, percent told {told}\n")
    sys.stdout.write(f"recorder's log: {feed.log()[-1500:]}\n")
    return 0 if ready_s < READY_S and not gaps and states <= {"ok"} else 1
