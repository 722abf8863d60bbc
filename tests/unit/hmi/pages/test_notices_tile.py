"""The page says whether people are told of alarms, where they are to be."""

from types import SimpleNamespace

import pytest

from aoi_daemon.hmi.widgets.cells import notices_tile
from aoi_daemon.texts.words import Words


@pytest.mark.parametrize(
    ("facts", "level", "word"),
    [
        ({}, "wait", "–"),
        ({"state": "ok", "waiting": 1}, "good", "Go out"),
        ({"state": "down"}, "warn", "Not running"),
        ({"state": "people: mail.plant:587: nobody listens there"}, "warn", "Not delivered"),
        ({"state": "people: a notice was given up after 24 h: 451 no"}, "warn", "Not delivered"),
    ],
)
def test_the_tile_says_how_it_goes(facts, level, word):
    site = SimpleNamespace(beside={"notifier": facts})
    found = notices_tile(site, Words("en"))
    assert (found.level, found.word) == (level, word)
