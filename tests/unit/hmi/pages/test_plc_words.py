"""hmi/widgets/cells.py: what the page says of the PLC's words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from aoi_daemon.decide.alarm_list import Alarm, mask_of
from aoi_daemon.hmi.widgets import cells
from aoi_daemon.plcmap.registers import Status
from aoi_daemon.stage.board import Cell, Link
from aoi_daemon.stage.lifecycle import Line
from aoi_daemon.texts.words import Words


@pytest.fixture
def site(stage):
    stage.board[Cell.LINE_STATE], stage.board[Cell.LINK], stage.board[Cell.READY] = Line.RUNNING, Link.UP, 1
    stage.board[Cell.FORCED] = -1
    return SimpleNamespace(live=SimpleNamespace(board=stage.board))


@pytest.mark.parametrize(("language", "text"), [("en", "Bypass is on at the PLC"), ("zh", "PLC 旁路已开启")])
def test_bypass_is_a_banner_and_the_lines_state_while_it_is_on(site, language, text):
    words = Words(language)
    assert cells.bypass_banner(site, words) == ""
    assert cells.line_tile(site, words).level == "good"
    site.live.board[Cell.PLC_STATUS] = Status.BYPASS
    assert text in cells.bypass_banner(site, words)
    assert cells.line_tile(site, words) == cells.Tile("warn", words("line"), words("bypassed"))
    site.live.board[Cell.LINK] = Link.DOWN
    assert cells.bypass_banner(site, words) == "", "what it says now is not known"


@pytest.mark.parametrize(("alarm", "key"), [(Alarm.PLC_REFUSED, "plc_refuses"), (Alarm.PLC_FROZEN, "plc_frozen")])
def test_a_plc_that_answers_wrongly_is_not_shown_as_connected_or_as_unplugged(site, alarm, key):
    for link in Link:
        site.live.board[Cell.LINK], site.live.board[Cell.ALARMS] = link, mask_of(alarm)
        tile = cells.plc_tile(site, Words("en"))
        assert (tile.level, tile.word) == ("bad", Words("en")(key))
