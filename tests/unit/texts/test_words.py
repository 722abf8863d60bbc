"""texts/words.py and its files: every text in both languages; what has none is called as the daemon calls it."""

from __future__ import annotations

import re
import string

import pytest

from aoi_daemon.decide.alarm_list import KINDS, Alarm
from aoi_daemon.texts.words import LANGUAGES, Words, catalogue

ENGLISH, CHINESE = catalogue("en").words, catalogue("zh").words
_HAN = re.compile(r"[\u4e00-\u9fff]")
_SAME_IN_BOTH = {"csv", "plc", "on", "not_asked_right", "off", "comma", "colon", "language"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(ENGLISH.keys() | CHINESE.keys()))
def test_each_text_is_there_in_both_languages_with_the_same_fields(key):
    english, chinese = ENGLISH[key], CHINESE[key]
    assert english and chinese
    assert fields(english) == fields(chinese)
    assert key in _SAME_IN_BOTH or (_HAN.search(chinese) and not _HAN.search(english))


def test_both_files_have_their_texts_in_the_same_order():
    assert list(ENGLISH) == list(CHINESE)


@pytest.mark.parametrize("alarm", Alarm)
def test_each_alarm_says_in_chinese_what_it_is_and_what_to_do(alarm):
    text, remedy = Words("zh").alarm(alarm)
    assert _HAN.search(text) and _HAN.search(remedy)
    assert (text, remedy) == catalogue("zh").alarms[alarm.name]
    assert Words("en").alarm(alarm) == (KINDS[alarm].text, KINDS[alarm].remedy)


def test_no_text_is_of_an_alarm_that_there_is_not():
    assert catalogue("zh").alarms.keys() == Alarm.__members__.keys()


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
