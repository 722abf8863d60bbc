"""Every text that the page shows is there, none is that nobody shows, and the page's font has its characters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aoi_daemon.hmi
from aoi_daemon.decide.alarm_list import Priority
from aoi_daemon.decide.alarms import AlarmState
from aoi_daemon.hmi.access.page import login_page
from aoi_daemon.hmi.access.roles import Denial
from aoi_daemon.hmi.access.users import Role
from aoi_daemon.hmi.widgets.shell import STATIC
from aoi_daemon.messages import Reason
from aoi_daemon.stage.board import StageState
from aoi_daemon.stage.lifecycle import Event, Line
from aoi_daemon.texts.words import catalogue

ENGLISH, CHINESE = catalogue("en").words, catalogue("zh")


def test_each_name_that_the_daemon_shows_has_a_text():
    names = [
        *(reason.name for reason in Reason), *(line.name for line in Line), *(priority.name for priority in Priority),
        *(state.value for state in AlarmState), *(role.value for role in Role),
        *(f"denied_{denial.name}" for denial in Denial),
        *(state.name for state in StageState),
    ]  # fmt: skip
    assert not [name for name in names if name not in ENGLISH]
    assert not [event.value for event in Event if event.value not in CHINESE.because]


def test_each_text_is_used_and_each_that_is_used_is_there():
    folder = Path(aoi_daemon.hmi.__file__).parent
    files = [*folder.rglob("*.py"), *folder.rglob("templates/**/*.html")]
    source = "\n".join(file.read_text() for file in files)
    used = set(re.findall(r"words\(\s*f?[\"']([^\"'{]+)[\"']", source))
    assert not sorted(used - ENGLISH.keys())
    words_of_code = set(re.findall(r"[\"'(]([\w, ]+)[\"')]", source))
    made = re.compile(r"denied_|done_|recorder_|sign_|show_|[A-Z_]+$")
    states = {state.value for state in AlarmState}
    unused = [key for key in ENGLISH if key not in words_of_code and not made.match(key) and key not in states]
    assert not unused


def test_each_chinese_character_is_in_the_font_that_comes_with_the_page():
    texts = [
        *ENGLISH.values(), *CHINESE.words.values(), *(text for pair in CHINESE.alarms.values() for text in pair),
        *CHINESE.classes.values(), *CHINESE.because.values(), login_page("line", "zh", no_users=True),
        *(
            login_page("line", "zh", denial=denial)
            for denial in (Denial.CREDENTIALS, Denial.TOO_OFTEN, Denial.STATE, Denial.INPUT)
        ),
    ]  # fmt: skip
    kept = set((STATIC / "fonts" / "characters.txt").read_text())
    missing = {character for text in texts for character in text if ord(character) > 0x2E7F} - kept
    assert not missing, "see static/fonts/README.md"


def test_the_font_has_the_characters_that_it_is_said_to_have():
    fonts = pytest.importorskip("fontTools.ttLib", reason="pip install fonttools brotli")
    pytest.importorskip("brotli", reason="pip install fonttools brotli")
    said = {ord(character) for character in (STATIC / "fonts" / "characters.txt").read_text().strip()}
    for weight in (400, 700):
        with fonts.TTFont(STATIC / "fonts" / f"sans-sc-{weight}.woff2") as font:
            assert said <= font.getBestCmap().keys()
