"""Text files are read as they were meant, whatever editor left them, or refused with the place of what is wrong."""

import os

import pytest

from aoi_daemon.files.text import MOST_BYTES, TextError, decode, read_bytes, read_text
from aoi_daemon.files.toml import line_of, parse

BOM = b"\xef\xbb\xbf"


def refusal(take, *arguments) -> str:
    with pytest.raises(TextError) as caught:
        take(*arguments)
    return caught.value.problem


@pytest.mark.parametrize("content", [b"a = 1\n", BOM + b"a = 1\n", b"a = 1\r\n", b"\r\na = 1", BOM + b"a = 1"])
def test_utf_8_is_read_with_and_without_its_mark_and_with_any_line_ends(content):
    assert parse(decode(content)) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a = 1\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        ("a = 1\n".encode("utf-16-le"), "is UTF-16 text; save it as UTF-8"),
        ("a = 1\n".encode("utf-16-be"), "is UTF-16 text; save it as UTF-8"),
        ("a = 1\n".encode("utf-32"), "is UTF-16 text; save it as UTF-8"),
        (b"a = 1\n# M\xfcnchen\n", ":2:4: is not UTF-8 text (byte 0xfc); save it as UTF-8"),
        ("# Ü\n# ".encode() + b"\xff\n", ":2:3: is not UTF-8 text (byte 0xff)"),
        (BOM + b"# \xff", ":1:3: is not UTF-8 text"),
        (b"# cut off: \xc3", ":1:12: is not UTF-8 text (byte 0xc3)"),
        (b"a = 1\nb = '\0'\n", ":2:6: has a NUL byte"),
        (b"a = 1" + bytes(3), ":1:6: has a NUL byte"),
    ],
)
def test_what_is_no_utf_8_is_refused_with_its_place_and_the_remedy(content, says):
    assert refusal(decode, content).startswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = 1\nhost = 10.0.0.5\n", ":2:12: is not TOML: "),
        ("a = 1\n\n  b 2\n", ":3:5: is not TOML: Expected '='"),
        ("a = [1,\n2", ":2:2: is not TOML: Unclosed array at the end"),
        ("a = 1\r\nb =\r\n", ":2:4: is not TOML: Invalid value"),
        ("[a]\n[a]\n", ":2:3: is not TOML: Cannot declare"),
        ("a = 1\na = 2\n", ":2:6: is not TOML: Cannot overwrite"),
        ("\ufeffa = 1", ":1:1: is not TOML: "),
        ("a = " + "[" * 5000, "is not TOML that can be read: it is nested too deeply"),
        ("a = " + "1" * 5000, "is not TOML that can be read: "),
    ],
)
def test_what_is_no_toml_is_refused_with_its_place(text, says):
    assert refusal(parse, text).startswith(says)


def test_a_file_over_the_bound_is_refused_by_its_size_before_it_is_read(tmp_path):
    """1 GB that takes no room on the disk: to read it would take seconds and memory."""
    file = tmp_path / "line.toml"
    with file.open("wb") as made:
        made.truncate(2**30)
    with pytest.raises(TextError, match=f"is larger than {MOST_BYTES} bytes \\(1073741824\\)"):
        read_bytes(file)
    file.write_bytes(b"#" * MOST_BYTES)
    assert len(read_text(file)) == MOST_BYTES
    file.write_bytes(b"#" * (MOST_BYTES + 1))
    assert "is larger than" in refusal(read_bytes, file)


def test_what_has_no_end_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    for file in (tmp_path / "pipe.toml", "/dev/zero"):
        assert refusal(read_bytes, file) == "is not a regular file"


TEXT = """# a line
name = "x"
plc.host = "h"

[[cameras]]
kind = "a"  # comment
[[cameras]]

# [[cameras]]
kind = '''
[hmi]
port = 1
'''
sizes = [
  1,
  # port
  2,
]
tail = { a = 1, b = { c = 2 } }
[hmi]
port = 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["name"], 2),
        (["plc", "host"], 3),
        (["plc"], 3),
        (["cameras"], 5),
        (["cameras", 0, "kind"], 6),
        (["cameras", 1], 7),
        (["cameras", 1, "kind"], 10),
        (["cameras", 1, "sizes"], 14),
        (["cameras", 1, "sizes", 1], 14),
        (["cameras", 1, "tail", "b", "c"], 19),
        (["hmi", "port"], 21),
        (["hmi", "host"], 0),
        (["cameras", 2], 0),
        (["name", "x"], 0),
        ([], 0),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_of_a_key_is_where_its_statement_begins(path, line, end):
    assert line_of(TEXT.replace("\n", end), path) == line


def test_a_line_is_not_looked_for_without_end():
    """A statement of thousands of lines: no line rather than a wrong one, or a wait."""
    text = "a = [\n" + "1,\n" * 5000 + "]\nb = 1\n"
    assert line_of(text, ["b"]) in (0, 5003) and line_of(text, ["a"]) in (0, 1)
