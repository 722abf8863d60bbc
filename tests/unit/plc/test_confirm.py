"""plc/confirm.py, case by case: what is decided where no poll shows that a rejected part was ejected."""

import pytest

from aoi_daemon.plc.confirm import IN_FLIGHT, Confirmations, Seen


@pytest.fixture
def rejects():
    """confirm_parts = 2; parts 1 to 5 rejected over connection 0, none at the gate yet."""
    found = Confirmations(2, 0)
    assert not found.polled(200, confirmed=True, bypass=False, connection=0)
    for number in range(1, 6):
        assert not found.entered(number, rejected=True, connection=0)
    return found


def poll(found, acted_on, confirmed=True, bypass=False, connection=0):
    return found.polled(acted_on, confirmed=confirmed, bypass=bypass, connection=connection)


def test_confirmed_one_by_one_nothing_is_said(rejects):
    assert not any(poll(rejects, number) for number in range(1, 6))
    assert rejects.oldest == 0


def test_a_confirmation_may_come_while_the_part_is_still_the_last_at_the_gate(rejects):
    assert not poll(rejects, 1, confirmed=False)
    assert not poll(rejects, 1, confirmed=True)
    assert rejects.oldest == 2


def test_a_part_that_was_let_past_is_alarmed_after_confirm_parts(rejects):
    assert not poll(rejects, 1, confirmed=False)
    assert not poll(rejects, 2)
    assert poll(rejects, 3) == Seen(unconfirmed=(1,))


def test_a_poll_that_skipped_a_part_confirms_nothing_of_it(rejects):
    assert not poll(rejects, 1)
    assert not poll(rejects, 3)
    assert poll(rejects, 4) == Seen(unconfirmed=(2,))


def test_what_the_plc_showed_before_the_part_came_is_of_another_part():
    """A word that an earlier life of the daemon left there has the low byte of part 1, and says ejected."""
    found = Confirmations(2, last=256)
    poll(found, 1)
    found.entered(257, rejected=True, connection=0)
    poll(found, 1)
    assert found.oldest == 257


@pytest.mark.parametrize("acted_on", [0, 150])
def test_a_plc_that_has_lost_its_place_has_lost_the_rejects_in_its_hands(rejects, acted_on):
    """It was restarted, or its program was loaded anew, while bad parts stood between camera and gate."""
    poll(rejects, 1)
    assert poll(rejects, acted_on) == Seen(unconfirmed=(2, 3, 4, 5))


def test_it_is_no_fault_to_lose_the_place_with_no_reject_in_hand(rejects):
    for number in range(1, 6):
        poll(rejects, number)
    assert not poll(rejects, 0)


def test_over_a_lost_connection_what_is_past_unseen_is_told_and_the_rest_goes_on(rejects):
    """The PLC went on in step: nothing speaks against it, so the line is not asked to stop."""
    poll(rejects, 1)
    assert poll(rejects, 4, connection=1) == Seen(unseen=(2, 3))
    assert rejects.oldest == 5
    assert not poll(rejects, 5, connection=1)
    assert rejects.oldest == 0


def test_a_plc_that_comes_back_from_a_restart_has_lost_the_rejects_in_its_hands(rejects):
    poll(rejects, 1)
    assert poll(rejects, 0, connection=1) == Seen(unconfirmed=(2, 3, 4, 5))


def test_after_a_long_outage_the_plc_need_not_know_the_numbers_of_that_time(rejects):
    """It ejected 1,000 parts by preset that it never had a verdict of; then it goes on with those that it has."""
    poll(rejects, 1)
    for number in range(6, 1006):
        rejects.entered(number, rejected=True, connection=None)
    rejects.entered(1006, rejected=True, connection=1)
    assert poll(rejects, 5, connection=1) == Seen(unseen=(2, 3, 4), never_told=1000)
    assert not poll(rejects, 1006, connection=1)


def test_an_undelivered_reject_on_a_good_connection_counts_too(rejects):
    """Its time was over before it could be written: the PLC has its number by the next word, and ejects by preset."""
    rejects.entered(6, rejected=True, connection=0)
    for number in range(1, 8):
        rejects.entered(7, rejected=False, connection=0) if number == 6 else None
        poll(rejects, number, confirmed=number != 6)
    rejects.entered(8, rejected=False, connection=0)
    assert poll(rejects, 8, confirmed=False) == Seen(unconfirmed=(6,))


def test_a_plc_that_never_says_which_part_was_at_the_gate_confirms_none(rejects):
    for number in range(6, 4 + IN_FLIGHT):
        assert not rejects.entered(number, rejected=False, connection=0)
    assert rejects.entered(4 + IN_FLIGHT, rejected=False, connection=0) == Seen(unconfirmed=(1,))


def test_bypassed_parts_at_the_gate_are_let_go_and_earlier_ones_are_not_excused(rejects):
    poll(rejects, 1, confirmed=False)
    assert poll(rejects, 2, confirmed=False, bypass=True) == Seen(let_go=(2,))
    assert poll(rejects, 3, confirmed=False, bypass=True) == Seen(unconfirmed=(1,), let_go=(3,))
    assert rejects.oldest == 4, "bypass may be over before it comes to the gate"


# -- whose number it may be, and whose not ----------------------------------------


def enter(found, last, connection=0):
    """Good parts up to number `last`."""
    for number in range(found._last + 1, last + 1):
        assert not found.entered(number, rejected=False, connection=connection)


def lost(found, connection=0):
    """Whether a PLC that shows a part which cannot be at the gate has lost the rejects in its hands."""
    return bool(poll(found, found._last + 20, connection=connection).unconfirmed)


def test_good_parts_are_not_waited_for(rejects):
    enter(rejects, 8)
    for number in range(1, 6):
        assert not poll(rejects, number)
    for number in (6, 7, 8):
        assert not poll(rejects, number, confirmed=False)
    assert rejects.oldest == 0


def test_the_low_byte_is_what_is_compared():
    """A PLC that shows it alone, and then the whole number, has not moved."""
    found = Confirmations(2, 0)
    poll(found, 1)
    for number in range(1, 6):
        found.entered(number, rejected=True, connection=0)
    poll(found, 257)
    assert found.oldest == 1
    poll(found, 258)
    assert found.oldest == 1, "2 is confirmed, and was not the oldest"
    assert not poll(found, 2)


@pytest.mark.parametrize(("behind", "known"), [(100, True), (101, False)])
def test_a_part_at_the_gate_is_known_up_to_100_behind_the_last(behind, known):
    found = Confirmations(2, 1_000)
    poll(found, 77)
    found.entered(1_001, rejected=True, connection=0)
    poll(found, 1_001 - behind)
    assert lost(found) is known


@pytest.mark.parametrize(("ahead", "is_lost"), [(100, False), (101, True)])
@pytest.mark.parametrize("first", [0, 1_000])
def test_a_plc_whose_gate_does_not_move_for_more_than_100_parts_has_lost_its_place(first, ahead, is_lost):
    found = Confirmations(50, first)
    poll(found, first + 99)
    found.entered(first + 1, rejected=False, connection=0)
    assert not poll(found, first + 1)
    found.entered(first + 2, rejected=True, connection=0)
    enter(found, first + 1 + ahead)
    assert poll(found, first + 1) == Seen(unconfirmed=(first + 2,) if is_lost else ())


def test_a_plc_that_has_lost_its_place_once_may_go_through_any_numbers_until_it_moves_in_step(rejects):
    """It is being restarted: what it shows meanwhile is no loss of what came after."""
    assert poll(rejects, 5) == Seen(unconfirmed=(1, 2, 3))
    assert poll(rejects, 3) == Seen(unconfirmed=(4,))
    rejects.entered(6, rejected=True, connection=0)
    assert not poll(rejects, 0, confirmed=False)
    assert rejects.oldest == 6


# -- a connection that comes back -----------------------------------------------------


def test_a_plc_that_has_not_moved_while_it_was_away_has_lost_nothing(rejects):
    poll(rejects, 1)
    assert not poll(rejects, 1, connection=1)
    assert rejects.oldest == 2
    assert lost(rejects, connection=1)


def test_before_the_gate_has_ever_moved_nobody_knows_of_what_was_sent_over_the_former_connection(rejects):
    assert poll(rejects, 200, connection=1) == Seen(unseen=(1, 2, 3, 4, 5))


def test_a_gate_that_is_ahead_of_the_last_part_is_a_place_that_was_lost(rejects):
    poll(rejects, 1)
    assert poll(rejects, 50, connection=1) == Seen(unconfirmed=(2, 3, 4, 5))
    rejects.entered(6, rejected=True, connection=1)
    assert not lost(rejects, connection=1), "from then on it begins anew"


@pytest.mark.parametrize(("last", "acted_on", "seen"), [
    (250, 101, Seen(unseen=(2, 3, 4, 5))),  # 100 parts went by meanwhile
    (250, 102, Seen(unconfirmed=(2, 3, 4, 5))),  # more than can be between camera and gate, and not the latest
    (1_006, 120, Seen(unconfirmed=(2, 3, 4, 5))),
])  # fmt: skip
def test_after_an_outage_the_gate_is_within_100_of_where_it_was_or_of_the_last_part(rejects, last, acted_on, seen):
    poll(rejects, 1)
    enter(rejects, last, connection=None)
    assert poll(rejects, acted_on, connection=1) == seen


def test_what_was_sent_over_the_new_connection_already_is_waited_for(rejects):
    poll(rejects, 1)
    for number in (6, 7):
        rejects.entered(number, rejected=True, connection=1)
    assert poll(rejects, 7, confirmed=False, connection=1) == Seen(unseen=(2, 3, 4, 5))
    assert rejects.oldest == 6


@pytest.mark.parametrize(("outage", "known"), [(0, True), (100, True), (101, False), (1_000, False)])
def test_after_an_outage_of_more_than_100_parts_the_place_is_found_anew(rejects, outage, known):
    """The PLC never had those parts; it need not show any of them, however often it is asked."""
    poll(rejects, 1)
    enter(rejects, 5 + outage, connection=None)
    assert poll(rejects, 5, connection=1) == Seen(unseen=(2, 3, 4))
    rejects.entered(6 + outage, rejected=True, connection=1)
    if not known:
        assert not poll(rejects, 5, connection=1)
    assert lost(rejects, connection=1) is known
