"""The life of the line."""

from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.stage.lifecycle import TRANSITIONS, Event, Line, after


@given(st.lists(st.sampled_from(list(Event))))
def test_only_reset_or_terminate_leaves_faulted(events):
    state = Line.STARTING
    for event in events:
        before, state = state, after(state, event)
        if before is Line.FAULTED and state is not Line.FAULTED:
            assert event in (Event.RESET, Event.TERMINATE)


@given(st.lists(st.sampled_from(list(Event))))
def test_nothing_leaves_stopping(events):
    state = Line.STOPPING
    for event in events:
        state = after(state, event)
    assert state is Line.STOPPING


@given(st.lists(st.sampled_from(list(Event))))
def test_the_line_runs_only_once_all_stages_are_ready(events):
    state = Line.STARTING
    for event in events:
        before, state = state, after(state, event)
        if state is Line.RUNNING and before is not Line.RUNNING:
            assert event is Event.ALL_READY


def test_every_state_has_its_row():
    assert set(TRANSITIONS) == set(Line)
    assert all(Event.TERMINATE in row for state, row in TRANSITIONS.items() if state is not Line.STOPPING)
