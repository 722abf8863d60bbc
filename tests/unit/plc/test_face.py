"""What the PLC is shown: heartbeat, result and registers."""

from __future__ import annotations

import pytest

from aoi_daemon.plc.face import Face
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import Flag, decode_report
from aoi_daemon.stage.board import Cell

MS = 1_000_000


@pytest.mark.parametrize(("late_ms", "next_ms"), [(0, 100), (30, 100), (99, 100), (100, 200), (250, 350)])
def test_a_heartbeat_that_comes_late_keeps_its_time_and_after_a_gap_none_is_caught_up(plc, late_ms, next_ms):
    face = Face(plc.board, 100 * MS)
    face.beat_ns = 1_000 * MS
    face.beat((1_000 + late_ms) * MS, moves=True)
    assert face.beat_ns == (1_000 + next_ms) * MS
    face.beat((1_000 + late_ms) * MS, moves=True)
    assert face.heartbeat, "once"
    # The registers' count, which goes on whether or not the coils show one.
    face.count_ns = 1_000 * MS
    for _ in range(2):
        face.count((1_000 + late_ms) * MS, moves=True)
    assert face.count_ns == (1_000 + next_ms) * MS
    assert plc.board[Cell.HEARTBEATS] == 1
    face.count((1_000 + next_ms) * MS, moves=False)
    assert plc.board[Cell.HEARTBEATS] == 1, "what stands does not beat"


@pytest.mark.parametrize(("result", "ready", "shown"), [(Result.PASS, True, 1), (Result.PASS, False, 0), (Result.REJECT, False, 2)])
def test_registers_show_a_pass_with_ready_alone_and_a_reject_without(plc, result, ready, shown):
    plc.face.verdict(result, 3)
    assert decode_report(plc.face.report(Flag.READY if ready else Flag(0))).verdict == shown


def test_the_registers_name_the_part_that_was_decided_last(plc):
    plc.face.verdict(Result.REJECT, 65_540)
    assert decode_report(plc.face.report(Flag.READY)).sequence == 4
