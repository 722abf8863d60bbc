"""What classes are called, and which are no defect."""

from pathlib import Path

import pytest

from aoi_daemon.engine.exports.names import classes_of, good_of
from aoi_daemon.errors import ModelError

FILE = Path("m.onnx")


def test_what_a_person_tells_goes_before_what_the_file_says():
    assert classes_of(("a", "b"), ("c", "d"), 2, FILE) == ("a", "b")
    assert classes_of((), ("c", "d"), 2, FILE) == ("c", "d")
    assert classes_of((), ("c", "d"), None, FILE) == ("c", "d")


def test_classes_that_nobody_names_are_asked_for():
    with pytest.raises(ModelError, match=r"m\.onnx: names no classes; name 3 with --classes"):
        classes_of((), (), 3, FILE)
    with pytest.raises(ModelError, match="name as many as it has with --classes"):
        classes_of((), (), None, FILE)


def test_another_number_of_classes_is_refused():
    """One name too few, and each verdict is of the class beside."""
    with pytest.raises(ModelError, match=r"has 3 classes, --classes names 2 \(a, b\): .*background"):
        classes_of(("a", "b"), ("c", "d", "e"), 3, FILE)
    with pytest.raises(ModelError, match="the file itself names 2"):
        classes_of((), ("c", "d"), 3, FILE)


def test_good_classes_are_those_that_are_told_or_say_so():
    assert good_of(("a", "b"), ("b",)) == ("b",)
    assert good_of(("Good", "OK", "__background__", "dent"), ()) == ("Good", "OK", "__background__")
    assert good_of(("goods", "not ok"), ()) == ()
