"""Taps on an open page: in their order, once, and not more than somebody waits for."""

from __future__ import annotations

import asyncio

from .test_events import Line, make_page


def tapped(work) -> list[str]:
    heard: list[str] = []

    async def run() -> None:
        page = make_page(Line())

        async def hear(argument: str) -> None:
            await asyncio.sleep(0)
            heard.append(argument)
            if argument == "wrong":
                raise ValueError("a fault of ours")

        page.on("hear", hear)
        work(page)
        for _ in range(100):
            await asyncio.sleep(0)

    asyncio.run(run())
    return heard


def test_taps_are_answered_one_after_the_other():
    assert tapped(lambda page: [page.tap(number, "hear", str(number)) for number in (1, 2, 3)]) == ["1", "2", "3"]


def test_one_that_comes_after_a_later_one_is_not_done():
    """A coil that was let go stays so, whichever connection was the slower one."""
    assert tapped(lambda page: [page.tap(number, "hear", str(number)) for number in (1, 3, 2, 3, 4)]) == ["1", "3", "4"]


def test_more_than_somebody_waits_for_are_not_taken():
    taken: list[bool] = []
    heard = tapped(lambda page: taken.extend(page.tap(number, "hear", "") for number in range(1, 20)))
    assert len(heard) == taken.count(True) == 8


def test_what_the_page_does_not_offer_is_nothing():
    assert tapped(lambda page: page.tap(1, "reload", "")) == []


def test_a_fault_in_one_leaves_the_page_with_ears_and_is_logged(capsys):
    assert tapped(lambda page: [page.tap(1, "hear", "wrong"), page.tap(2, "hear", "right")]) == ["wrong", "right"]
    assert "tap_failed" in capsys.readouterr().out
