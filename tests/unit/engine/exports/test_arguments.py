"""The options of another program's model."""

import argparse

import pytest

from aoi_daemon.engine.exports.arguments import LAYOUTS, add_exported, pixels_of, refused
from aoi_daemon.engine.labels import FORMATS
from aoi_daemon.engine.precision.wrap import IMAGENET, Pixels


def parsed(*words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", default=("a",))
    add_exported(parser)
    return parser.parse_args(["--task", "detect", *words])


def test_the_layouts_that_are_offered_are_those_that_are_read():
    assert LAYOUTS == FORMATS


@pytest.mark.parametrize(
    ("words", "pixels"),
    [
        ([], None),
        (["--pixels", "0..1"], Pixels()),
        (["--pixels", "imagenet"], IMAGENET),
        (["--pixels", "imagenet", "--bgr"], IMAGENET._replace(is_rgb=False)),
        (["--pixels", "0..255", "--rgb"], Pixels(scale=1.0)),
        (["--mean", "0.5,0.4,0.3"], Pixels(mean=(0.5, 0.4, 0.3))),
        (["--mean", "0.5", "--std", "0.25", "--bgr"], Pixels(mean=(0.5,), deviation=(0.25,), is_rgb=False)),
    ],
)
def test_what_a_model_was_trained_with_is_said_in_words_or_numbers(words, pixels):
    asked = parsed(*words)
    assert refused(asked) is None
    assert pixels_of(asked) == pixels


def test_minus_one_to_one_is_that():
    pixels = pixels_of(parsed("--pixels=-1..1"))
    assert [value * pixels.scale - pixels.mean[0] for value in (0, 255)] == pytest.approx([-1, 1])


@pytest.mark.parametrize("words", [["--mean", "a"], ["--mean", "1,2"], ["--std", "nan", "--mean", "0"], ["--threshold", "0"], ["--threshold", "inf"], ["--good-classes", "a,a"]])
def test_what_is_no_number_or_list_is_refused(words, capsys):
    with pytest.raises(SystemExit):
        parsed(*words)
    assert f"argument {words[0]}" in capsys.readouterr().err
