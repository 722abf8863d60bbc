"""A path in a TOML file is changed, and nothing else of the file."""

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.backup.rewrite import RewriteError, rewritten
from aoi_daemon.files.toml import parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KEYS = st.text("abcde-_", min_size=1, max_size=4)
VALUES = st.one_of(TEXTS, st.integers(-9, 9), st.booleans(), st.lists(TEXTS, max_size=2))
TABLES = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=3),
    lambda inner: st.dictionaries(KEYS, st.one_of(VALUES, inner, st.lists(inner, min_size=1, max_size=2)), max_size=4),
    max_leaves=8,
)


def paths(tables, at=()):
    """Every key with a text."""
    items = tables.items() if isinstance(tables, dict) else enumerate(tables)
    for step, value in items:
        if isinstance(value, str):
            yield (*at, step)
        elif isinstance(value, (dict, list)):
            yield from paths(value, (*at, step))


def put(tables, key, value):
    for step in key[:-1]:
        tables = tables[step]
    tables[key[-1]] = value


@given(TABLES, st.data(), TEXTS)
def test_the_file_reads_as_before_but_for_the_values_that_were_to_change(tables, data, value):
    text = tomli_w.dumps(tables)
    there = list(paths(parse(text)))
    if not there:
        return
    keys = data.draw(st.lists(st.sampled_from(there), unique=True, max_size=3))
    wanted = parse(text)
    for key in keys:
        put(wanted, key, value)
    assert parse(rewritten(text, dict.fromkeys(keys, value))) == wanted


@pytest.mark.parametrize(
    ("text", "key", "result"),
    [
        ('# why\nbundle = "/srv/b" # here\nx = 1\n', ("bundle",), '# why\nbundle = "../b" # here\nx = 1\n'),
        ("bundle = '/srv/b'\n", ("bundle",), 'bundle = "../b"\n'),
        ('name = "/srv/b"\nbundle = "/srv/b"\n', ("bundle",), 'name = "/srv/b"\nbundle = "../b"\n'),
        ('[[t]]\nimage = "/a"\n[[t]]\nimage = "/a"\n', ("t", 1, "image"), '[[t]]\nimage = "/a"\n[[t]]\nimage = "../b"\n'),
        ('t = [{ image = "/a" }, { image = "/a" }]\n', ("t", 0, "image"), 't = [{ image = "../b" }, { image = "/a" }]\n'),
        ("[recorder] # kept\ndays_images = 3", ("recorder", "folder"), '[recorder] # kept\nfolder = "../b"\ndays_images = 3'),
        ("[recorder]", ("recorder", "folder"), '[recorder]\nfolder = "../b"\n'),
        ("x = 1", ("supervisor", "state_folder"), 'x = 1\n\n[supervisor]\nstate_folder = "../b"\n'),
        ("", ("supervisor", "state_folder"), '\n[supervisor]\nstate_folder = "../b"\n'),
        ('supervisor.socket = "s"\n', ("supervisor", "state_folder"), 'supervisor.state_folder = "../b"\nsupervisor.socket = "s"\n'),
    ],
)
def test_comments_and_order_stay(text, key, result):
    assert rewritten(text, {key: "../b"}) == result


def test_what_it_does_not_understand_it_refuses():
    with pytest.raises(RewriteError, match=r"recorder.folder = 'absent' must become 'x'.*on a line of its own"):
        rewritten("recorder = { around = 1 }\n", {("recorder", "folder"): "x"})
