"""Every text in both languages, and none that nobody shows."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

import aoi_daemon.hmi
from aoi_daemon.decide.alarm_list import KINDS, Alarm, Priority
from aoi_daemon.decide.alarms import AlarmState
from aoi_daemon.hmi.access.page import login_page
from aoi_daemon.hmi.access.roles import Denial
from aoi_daemon.hmi.access.users import Role
from aoi_daemon.hmi.widgets.shell import STATIC
from aoi_daemon.hmi.widgets.texts import ALARMS_ZH, BECAUSE_ZH, CLASSES_ZH, LANGUAGES, TEXTS, Words
from aoi_daemon.messages import Reason
from aoi_daemon.stage.board import StageState
from aoi_daemon.stage.lifecycle import Event, Line

_HAN = re.compile(r"[\u4e00-\u9fff]")
_SAME_IN_BOTH = {"csv", "plc", "on", "off", "comma", "colon", "language"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_each_text_is_there_in_both_languages_with_the_same_fields(key):
    english, chinese = TEXTS[key]
    assert english and chinese
    assert fields(english) == fields(chinese)
    assert key in _SAME_IN_BOTH or (_HAN.search(chinese) and not _HAN.search(english))


@pytest.mark.parametrize("alarm", Alarm)
def test_each_alarm_says_in_chinese_what_it_is_and_what_to_do(alarm):
    text, remedy = ALARMS_ZH[alarm]
    assert _HAN.search(text) and _HAN.search(remedy)
    assert Words("zh").alarm(alarm) == (text, remedy)
    assert Words("en").alarm(alarm) == (KINDS[alarm].text, KINDS[alarm].remedy)


def test_each_name_that_the_daemon_shows_has_a_text():
    names = [
        *(reason.name for reason in Reason), *(line.name for line in Line), *(priority.name for priority in Priority),
        *(state.value for state in AlarmState), *(role.value for role in Role),
        *(f"denied_{denial.name}" for denial in Denial),
        *(state.name for state in StageState),
    ]  # fmt: skip
    assert not [name for name in names if name not in TEXTS]
    assert not [event.value for event in Event if event.value not in BECAUSE_ZH]


def test_each_text_is_used_and_each_that_is_used_is_there():
    folder = Path(aoi_daemon.hmi.__file__).parent
    sources = [file.read_text() for file in folder.rglob("*.py") if file.name != "texts.py"]
    source = "\n".join(sources)
    used = set(re.findall(r"words\(\s*f?[\"']([^\"'{]+)[\"']", source))
    assert not sorted(used - TEXTS.keys())
    words_of_code = set(re.findall(r"[\"'(]([\w, ]+)[\"')]", source))
    made = re.compile(r"denied_|done_|recorder_|sign_|show_|[A-Z_]+$")
    states = {state.value for state in AlarmState}
    unused = [key for key in TEXTS if key not in words_of_code and not made.match(key) and key not in states]
    assert not unused


def test_each_chinese_character_is_in_the_font_that_comes_with_the_page():
    texts = [
        *(text for pair in TEXTS.values() for text in pair), *(text for pair in ALARMS_ZH.values() for text in pair),
        *CLASSES_ZH.values(), *BECAUSE_ZH.values(), login_page("line", "zh", no_users=True),
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


def test_a_name_that_is_not_known_is_shown_as_it_is():
    for language in LANGUAGES:
        words = Words(language)
        assert words.known("NEW_STATE") == "NEW_STATE"
        assert words.cause("crack") == "crack"
        assert words.because("something else") == "something else"
        assert words.person("uid 1000") == "uid 1000"


def test_a_class_that_has_the_name_of_a_text_stays_a_class():
    assert Words("en").cause("main") == "main"  # a bundle may call its classes as it likes


def test_who_acted_is_named_with_the_role_in_ones_own_language():
    assert Words("zh").person("anna (operator)") == "anna (操作员)"
    assert Words("en").person("anna (operator)") == "anna (operator)"
