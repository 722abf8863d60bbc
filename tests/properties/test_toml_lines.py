"""The line that is named for a key is the line that holds that key, whatever else the file has in it."""

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.files.toml import line_of, parse

keys = st.sampled_from(["host", "port", "a", "a b", "[x]", "#", "", "ü", "x.y"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=["Cs"]), max_size=20)
values = st.one_of(st.integers(0, 9), texts, st.lists(st.integers(0, 9), max_size=12), st.sampled_from(["[plc]", "host = 1", "a\nhost = 2\n", '"""', "'''", "#", "\\"]))
tables = st.recursive(
    st.dictionaries(keys, values, max_size=4),
    lambda inner: st.dictionaries(keys, st.one_of(values, inner, st.lists(inner, min_size=1, max_size=3)), max_size=4),
    max_leaves=8,
)


def paths(node, before=()):
    """Every path to a value that is no table."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) and node and isinstance(node[0], dict) else ()
    for step, inner in steps:
        yield from paths(inner, (*before, step))
    if before and not isinstance(node, dict) and not (isinstance(node, list) and node and isinstance(node[0], dict)):
        yield before


@given(table=tables, multiline=st.booleans(), noise=st.lists(st.sampled_from(["", "# x = 1", "  ", "# [plc]"]), max_size=5))
def test_without_that_statement_the_key_is_gone_and_with_it_it_is_there(table, multiline, noise):
    text = "\n".join([*noise, tomli_w.dumps(table, multiline_strings=multiline)])
    assert parse(text) == table
    for path in paths(table):
        line = line_of(text, path)
        assert line, path
        lines = text.split("\n")
        above = parse("\n".join(lines[: line - 1]) + "\n")
        assert not holds(above, path), "it is there before that line"
        ends = next(end for end in range(line, len(lines) + 1) if is_toml(lines[:end]))
        key = next(step for step in reversed(path) if isinstance(step, str))
        assert key in "\n".join(lines[line - 1 : ends]), "the statement does not have the key"
        assert holds(parse("\n".join(lines[:ends]) + "\n"), path), "it is not there after that statement"


def is_toml(lines):
    try:
        parse("\n".join(lines) + "\n")
    except ValueError:
        return False
    return True


def holds(data, path):
    for step in path:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
