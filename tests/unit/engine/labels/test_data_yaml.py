"""Names as data sets write them, and nothing that only looks like it."""

from pathlib import Path

import pytest

from aoi_daemon.engine.labels.data_yaml import names_in
from aoi_daemon.engine.labels.part import BoardsError

FILE = Path("data.yaml")

WRITTEN = {
    "list": "nc: 2\nnames: [dent, it's]\nval: x\n",
    "quoted": "names: ['dent', 'it''s']\n",
    "double": 'names: ["dent", "it\'s"]  # two\n',
    "lines": "names:\n- dent\n- it's\nnc: 2\n",
    "indented": "names:\n  - dent  # a comment\n  - it's\n\nroboflow:\n  license: none\n",
    "mapping": "path: ..\nnames:\n  0: dent\n  1: it's\n",
    "in braces": "names: {0: dent, 1: it's}\n",
    "over lines": "names: [dent,\n  it's]\ntrain: x\n",
}


@pytest.mark.parametrize("how", [how for how in WRITTEN if how not in ("list", "in braces", "over lines")])
def test_names_are_read_however_they_are_written(how):
    assert names_in(FILE, WRITTEN[how]) == ("dent", "it's")


@pytest.mark.parametrize("text", ["names: [dent, a b]\n", "names: {0: dent, 1: a b}\n", "names: [dent,\n  a b]\ntrain: x\n"])
def test_names_may_be_in_brackets(text):
    assert names_in(FILE, text) == ("dent", "a b")


def test_a_list_of_names_is_a_line_each():
    assert names_in(Path("classes.txt"), "dent\r\n\nit's\n") == ("dent", "it's")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nc: 2\n", r"data\.yaml:1: has no `names:`; say the names with --classes"),
        ("names: [a]\nnames: [b]\n", r"data\.yaml:2: `names:` is there twice"),
        ("names:\n", "names: there are none"),
        ("names: []\n", "names: there are none"),
        ("names: [a, a]\n", "names: there are not all different"),
        ("names: [a, b\n", r"begins with \[ and does not end with \]"),
        ("names:\n  0: a\n  2: b\n", r"data\.yaml:3: class 2 stands where 1 is expected"),
        ("names:\n  1: a\n  0: b\n", r"class 1 stands where 0 is expected"),
        ("names: *anchor\n", "is not `number: name`"),
        ("names:\n  - &a dent\n", r"data\.yaml:2: '&a dent' is no plain name"),
        ("names:\n  - |\n    dent\n", "is not `number: name`"),
        ("names:\n  - 'dent\n", "is no plain name"),
        ("names:\n  - a\n  1: b\n", "is not `number: name`"),
        ("names:\n  0: {en: a}\n", "is no plain name"),
    ],
)
def test_what_is_not_read_says_the_line_and_the_other_way(text, says):
    with pytest.raises(BoardsError, match=says) as raised:
        names_in(FILE, text)
    assert "--classes" in str(raised.value)
