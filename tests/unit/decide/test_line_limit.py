"""decide/line_limit.py and decide/chatter.py: what flickers writes a stated number of lines."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from aoi_daemon.decide.chatter import RAISES, Chatter
from aoi_daemon.decide.line_limit import AT_MOST, LineLimit

S = 1_000_000_000


def within_a_minute(at_ns):
    """The most of `at_ns` (ascending) in any minute."""
    return max((sum(begin <= at < begin + 60 * S for at in at_ns) for begin in at_ns), default=0)


def test_the_first_lines_are_written_and_the_rest_is_told_in_one():
    limit = LineLimit()
    assert [limit.take("reset", now * S) for now in range(10)] == [True] * AT_MOST + [False] * (10 - AT_MOST)
    assert limit.take("recipe", 10 * S), "each kind has its own"
    assert limit.due(AT_MOST * S + 60 * S - 1) == {}
    assert limit.due(AT_MOST * S + 60 * S) == {"reset": 10 - AT_MOST}
    assert limit.due(1000 * S) == {}
    assert limit.take("reset", 1000 * S)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_no_minute_has_more_lines_and_each_is_written_or_counted(seed):
    random = Random(seed)
    limit, now, written, counted, asked = LineLimit(), 0, [], 0, 0
    for _ in range(600):
        now += random.choice((0, S // 50, S, 20 * S))
        asked += 1
        if limit.take("x", now):
            written.append(now)
        counted += sum(limit.due(now).values())
    counted += sum(limit.due(now + 60 * S).values())
    assert within_a_minute(written) <= AT_MOST
    assert len(written) + counted == asked


def test_an_alarm_that_comes_and_goes_ends_as_it_is_said_to_while_that_is_rare():
    chatter = Chatter()
    assert [chatter.look(there, at * 30 * S) for at, there in enumerate((1, 0, 1, 0, 1, 0, 1, 0))] == [1, 0] * 4


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_however_it_flickers_it_begins_a_few_times_a_minute_and_is_never_hidden(seed):
    random = Random(seed)
    chatter, begun, active = Chatter(), [], False
    for now in range(0, 300 * S, S // 4):
        there = random.random() < 0.5
        before, active = active, chatter.look(there, now)
        assert active or not there
        if active and not before:
            begun.append(now)
    assert within_a_minute(begun) <= RAISES
    assert not chatter.look(False, 400 * S)


def test_a_seventh_line_is_written_when_the_first_is_a_minute_old_and_not_before():
    """And an eighth when the second is, whatever is between them."""
    limit = LineLimit()
    assert [limit.take("reset", now * S) for now in range(7)] == [True] * 6 + [False]
    assert not limit.take("reset", 60 * S - 1)
    assert limit.take("reset", 60 * S)
    assert not limit.take("reset", 61 * S - 1)
    assert limit.take("reset", 61 * S)
