"""plc/forcing.py: what the board, the coils and the supervisor are told of forced coils."""

import pytest

from aoi_daemon.plc.main import Plc
from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.stage.board import Cell

REJECT_AND_ALARM = 0b110
MS = 1_000_000


@pytest.fixture
def forcing(plc, clock):
    plc.forcing.announced_ns = clock.now - 3_000 * MS
    plc.link.coils.clear()
    return plc.forcing


def test_what_is_forced_is_on_the_board_without_ready_until_it_ends(plc, forcing):
    assert plc.board[Cell.FORCED] == -1
    forcing.ask(REJECT_AND_ALARM | 1 << Coil.READY, number=4)
    assert (plc.board[Cell.FORCED], forcing.word) == (REJECT_AND_ALARM, REJECT_AND_ALARM)
    forcing.end("ended by a person")
    assert (plc.board[Cell.FORCED], forcing.word) == (-1, None)
    assert plc.link.coils == [plc.face.safe_word()]
    assert plc.said[1:] == [{"tell": "unforced", "why": "ended by a person"}]


def test_the_supervisor_is_told_whether_it_began_was_renewed_or_was_refused(plc, forcing):
    forcing.ask(REJECT_AND_ALARM, number=1)
    forcing.ask(REJECT_AND_ALARM, number=2)
    plc.stage.stopping = True
    forcing.ask(0, number=3)
    assert plc.said == [
        {"tell": "forced", "number": 1, "error": "", "began": True},
        {"tell": "forced", "number": 2, "error": "", "began": False},
        {"tell": "forced", "number": 3, "error": "plc stops", "began": False},
    ]
    assert plc.board[Cell.FORCED] == REJECT_AND_ALARM, "a renewal that is refused changes nothing"


def test_what_is_refused_forces_nothing(plc, forcing):
    plc.link.up = False
    forcing.ask(REJECT_AND_ALARM, number=1)
    assert plc.said == [{"tell": "forced", "number": 1, "error": "there is no connection to the PLC", "began": False}]
    assert (plc.board[Cell.FORCED], forcing.word) == (-1, None)


def test_the_end_of_nothing_writes_and_says_nothing(plc, forcing):
    forcing.look()
    forcing.end("reset")
    assert (plc.link.coils, plc.said) == ([], [])


def test_what_a_plc_process_before_forced_is_over_with_it(plc, forcing):
    forcing.ask(REJECT_AND_ALARM, number=1)
    successor = Plc(plc.stage, plc.link, plc.clock, plc.wait)
    assert (plc.board[Cell.FORCED], successor.forcing.word) == (-1, None)


@pytest.mark.parametrize(("running", "says"), [(-1, "not known"), (1, "the line runs"), (0, "")])
def test_where_the_plc_is_read_it_says_whether_the_line_stands(plc, clock, running, says):
    plc.stage.config = plc.stage.config.model_validate(
        {"cameras": [{"kind": "replay", "source": "."}], "plc": {"poll": {"base": 0}}}
    )
    line = Plc(plc.stage, plc.link, plc.clock, plc.wait)
    clock.now += 2_000 * MS  # quiet since plc began
    plc.board[Cell.LINE_RUNNING] = running
    line.forcing.ask(REJECT_AND_ALARM, number=1)
    assert says in plc.said[0]["error"]
    assert (line.forcing.word is None) is bool(says)


@pytest.mark.parametrize("beats", [0, 1])
def test_while_a_stage_stands_forcing_makes_no_beat(plc, clock, forcing, monkeypatch, beats):
    """Nor does the time that something was forced for, once it has ended."""
    monkeypatch.setattr(plc.readiness, "all_move", lambda now_ns: False)
    forcing.ask(REJECT_AND_ALARM, number=1)
    plc._spare()
    for _ in range(beats):
        clock.now += 100 * MS
        plc._spare()
    forcing.end("ended by a person")
    for _ in range(20):
        clock.now += 50 * MS
        plc._spare()
    assert REJECT_AND_ALARM in plc.link.coils and plc.link.coils[-1] != REJECT_AND_ALARM
    assert not any(word & 1 << Coil.HEARTBEAT for word in plc.link.coils)
