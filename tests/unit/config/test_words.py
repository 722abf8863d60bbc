"""What is wrong with a file is told in words: the line, the key as the file has it, the value and the bound, or where a key belongs."""

from typing import Annotated, Literal, Union

import pytest
from pydantic import Field, Strict, ValidationError, model_validator

from aoi_daemon.config.section import Section
from aoi_daemon.config.words import words_of
from aoi_daemon.files.toml import parse


class Square(Section):
    kind: Literal["square"]
    side_px: int = Field(1, ge=1)
    at: Annotated[tuple[Annotated[tuple[float, float], Strict(False)], ...], Strict(False)] = ()


class Disc(Section):
    kind: Literal["disc"]
    radius_px: float = 1.0
    value: Union[bool, int] = 1  # noqa: UP007


class Deep(Section):
    lowest: int = 0


class Plain(Section):
    colour: str = "red"
    deep: Deep = Deep()

    @model_validator(mode="after")
    def _no_green(self):
        if self.colour == "green":
            raise ValueError("colour: green is taken")
        return self


class File(Section):
    title: str = ""
    plain: Plain = Plain()
    shapes: Annotated[tuple[Annotated[Union[Square, Disc], Field(discriminator="kind")], ...], Strict(False)] = Field((), min_length=1)  # noqa: UP007

    @model_validator(mode="after")
    def _titled(self):
        if self.title == "none":
            raise ValueError("title: say one")
        return self


SQUARE = '[[shapes]]\nkind = "square"\n'
DISC = '[[shapes]]\nkind = "disc"\n'


def told(text):
    data = parse(text)
    with pytest.raises(ValidationError) as refused:
        File.model_validate(data)
    return words_of(refused.value, text, data, File)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 5\n", [":1: title = 5: input should be a valid string"]),
        ('title = "none"\n', ["title: say one"]),
        ('[plain]\ncolour = "green"\n', [":1: plain: colour: green is taken"]),
        (f"{SQUARE}side_px = 0\n", [":3: shapes[0].side_px = 0: input should be greater than or equal to 1"]),
        (f"{SQUARE}at = [[1.0]]\n", [":3: shapes[0].at[0][1]: missing"]),
        (f"{DISC}value = []\n", [f":3: shapes[0].value = []: input should be a valid {kind}" for kind in ("boolean", "integer")]),
        ("shapes = [{}]\n", [":1: shapes[0] = {}: unable to extract tag using discriminator 'kind'"]),
        # Keys that are in no such table.
        ('[plain]\ntitle = "x"\n', [":2: plain.title: unknown key: it belongs to the top of the file"]),
        ("colour = 1\n", [":1: colour: unknown key: it belongs to [plain]"]),
        ("[plain]\nlowest = 1\n", [":2: plain.lowest: unknown key: it belongs to [plain.deep]"]),
        (f"{SQUARE}colour = 1\n", [":3: shapes[0].colour: unknown key: it belongs to [plain]"]),
        ("[plain]\nradius_px = 1\n", [':2: plain.radius_px: unknown key: it belongs to [shapes] of kind = "disc"']),
        (
            f"{SQUARE}radius_px = 1\n",
            [':3: shapes[0].radius_px: unknown key: it belongs to [shapes] of kind = "disc"; this one is of kind = "square"'],
        ),
        ("[plain]\ncolor = 1\n", [":2: plain.color: unknown key (did you mean 'colour'?)"]),
        ("[plain]\nzzz = 1\n", [":2: plain.zzz: unknown key"]),
        ('[plain]\n"a b" = 1\n', [":2: plain.'a b': unknown key"]),
    ],
)
def test_what_is_wrong_is_told_by_line_key_and_value(text, words):
    assert told(text) == words


@pytest.mark.parametrize(("length", "end"), [(78, "'"), (79, "...")])
def test_a_value_is_shown_up_to_80_characters(length, end):
    """Its quotes are two of them."""
    text = f'[plain.deep]\nlowest = "{"x" * length}"\n'
    assert told(text) == [f":2: plain.deep.lowest = '{'x' * length}{end}: input should be a valid integer"]


def test_the_lines_of_the_first_twenty_problems_are_looked_for():
    words = told("".join(f"zzz{number} = 1\n" for number in range(22)))
    assert words == [f"{f':{number + 1}: ' if number < 20 else ''}zzz{number}: unknown key" for number in range(22)]
