"""What an address asks for: each parameter is taken as it was meant, or refused by its name."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.hmi.find.asked import AFTER, LIMIT, PARAMETERS, NotAskedRightError, in_words, read_asked
from aoi_daemon.records.find import Place, Wanted
from aoi_daemon.texts.words import LANGUAGES, Words

RUN = "f" * 32
NAMES = [*(parameter.name for parameter in PARAMETERS), AFTER, LIMIT]
WORDS = st.one_of(
    st.sampled_from(["", " ", "0", "1", "-1", "1_0", "\u0663", "9" * 30, "1e5", "nan", "inf", "1.5", "0.5", ".", "0x1", "true", "True", "none", "NONE",
                     "DEFECT", "2026-11-22", "2026-02-30", "0001-01-01", "9999-12-31", "2026-11-22T06:00", f"{RUN}-1", f"{RUN}-0", "a\0b", "\ud800",
                     "'; --", "a" * 101, "1.0_5_5", "1e999_1_1", "500", "501"]),
    st.text(max_size=12), st.floats().map(str), st.integers().map(str),
)  # fmt: skip


def test_each_filter_of_the_records_can_be_asked_for():
    texts = {
        "from": "2026-11-22", "to": "2026-11-22", "part": f"{RUN}-7", "recipe": "demo", "passed": "false", "class": "open", "reason": "DEFECT",
        "camera": "top", "view": "front", "review": "none", "score_min": "0.25", "score_max": "1",
    }  # fmt: skip
    asked = read_asked([*texts.items(), (AFTER, "5.5_3_9"), (LIMIT, "7")], limited=True)
    assert (asked.place, asked.limit, dict(asked.texts)) == (Place(5.5, 3, 9), 7, texts)
    nothing = Wanted()
    assert [field.name for field in fields(Wanted) if getattr(asked.wanted, field.name) == getattr(nothing, field.name)] == []
    assert (asked.wanted.until - asked.wanted.since, asked.wanted.run, asked.wanted.part) == (86_400.0, RUN, 7)
    assert (asked.wanted.passed, asked.wanted.score_min, asked.wanted.score_max) == (False, 0.25, 1.0)


def test_an_empty_parameter_is_none():
    assert read_asked([(name, " ") for name in NAMES], limited=True) == read_asked([])


@pytest.mark.parametrize(
    ("query", "name", "said"),
    [
        ([("from", "yesterday")], "from", "must be a time such as"), ([("to", "2026-13-01")], "to", "must be a time such as"),
        ([("part", "0")], "part", "must be a part's number"), ([("part", "F" * 32 + "-1")], "part", "32 hexadecimal digits"),
        ([("recipe", "a" * 101)], "recipe", "at most 100"), ([("class", "a\0")], "class", "printable"),
        ([("passed", "yes")], "passed", "one of: true, false"), ([("reason", "open")], "reason", "NONE, DEFECT, LATE"),
        ([("review", "all")], "review", "one of: none, any, defect, false_call"), ([("score_min", "1.1")], "score_min", "from 0 to 1"),
        ([("score_min", "0.9"), ("score_max", "0.5")], "score_max", "less than score_min"), ([("score_max", "nan")], "score_max", "from 0 to 1"),
        ([("from", "2026-11-22"), ("to", "2026-11-21")], "to", "later than from"), ([("after", "x")], "after", "earlier answer"),
        ([("classs", "open")], "classs", "there are: from, to, part"), ([("class", "a"), ("class", "b")], "class", "twice"),
        ([("limit", "5")], "limit", "no such parameter"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_with_what_it_may_be(query, name, said):
    with pytest.raises(NotAskedRightError) as raised:
        read_asked(query)
    line = in_words(Words("en"), raised.value)
    assert line.startswith(f"{name} = ") and said in line and "\n" not in line


def test_so_many_parts_at_once_and_no_more():
    for wrong in ("0", "501", "x", "-1", "1.0"):
        with pytest.raises(NotAskedRightError, match="limit"):
            read_asked([(LIMIT, wrong)], limited=True)


@given(st.lists(st.tuples(st.sampled_from(NAMES) | WORDS, WORDS), max_size=5), st.booleans())
def test_whatever_is_asked_is_taken_or_refused_in_one_short_line(query, limited):
    try:
        asked = read_asked(query, limited=limited)
    except NotAskedRightError as error:
        for language in LANGUAGES:
            assert len(in_words(Words(language), error)) < 600
        return
    assert asked.wanted.since < asked.wanted.until
    again = read_asked([*asked.texts.items(), *([(AFTER, str(asked.place))] if asked.place else [])])
    assert (again.wanted, again.place) == (asked.wanted, asked.place), "a search is a link"
