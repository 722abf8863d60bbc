"""A value at a bound that the reference names is taken, and the next one beyond it is not."""

import math
import re
import sys
from typing import Annotated, Any, get_origin

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import LineConfig
from tools.reference.__main__ import configuration, sections

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REFERENCE = configuration()
ROW = re.compile(r"^\| `(\w+)` \| .*? \| (.*?) \| ", re.MULTILINE)
BOUNDS = re.compile(r"(?P<above>above )?(?P<least>-?[\d.]+)(?: (?:up )?to (?P<most>-?[\d.]+)| up)?")
LENGTH = re.compile(r"(?P<kind>text|list) of (?:up to )?(?P<first>\d+)(?: to (?P<last>\d+))?(?: characters)?")


def rows():
    """Each row of the reference: its model, its key, and what it says of bounds."""
    line, _, recipe = REFERENCE.partition("### recipes/NAME.toml")
    for text, model in ((line, LineConfig), (recipe, Recipe)):
        for heading, section, _ in (("(top level)", model, ""), *sections(model)):
            if f"**`{heading}`**" in text:
                table = text.partition(f"**`{heading}`**")[2].partition("\n**`")[0]
                yield from (pytest.param(section, *row, id=f"{section.__name__}.{row[0]}") for row in ROW.findall(table))


def out_of_bounds(model, key, value):
    """Whether `value` is refused for its size or length; it may be wrong in other ways."""
    field = model.model_fields[key]
    kind = tuple[Any, ...] if get_origin(field.annotation) is tuple else field.annotation
    kind = Annotated[(kind, *field.metadata)] if field.metadata else kind
    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        return any(re.match(r"greater_than|less_than|(string_)?too_(long|short)", each["type"]) for each in error.errors())
    return False


ROWS = list(rows())


@pytest.mark.parametrize(("model", "key", "bounds"), ROWS)
def test_a_bound_of_the_reference_is_the_last_value_that_is_taken(model, key, bounds):
    if found := BOUNDS.fullmatch(bounds):
        whole = "int" in str(model.model_fields[key].annotation)
        least, most = (number and (int(number) if whole else float(number)) for number in found.group("least", "most"))
        below, beyond = (least - 1, (most or 0) + 1) if whole else (math.nextafter(least, -1e9), math.nextafter(most or 0.0, 1e99))
        assert out_of_bounds(model, key, least) is bool(found["above"])
        assert out_of_bounds(model, key, below)
        assert most is None or (out_of_bounds(model, key, beyond) and not out_of_bounds(model, key, most))
    elif found := LENGTH.fullmatch(bounds):
        most = int(found["last"] or found["first"])
        least = 0 if "up to" in bounds else int(found["first"])
        full = "x" * most if found["kind"] == "text" else [1] * most
        assert not out_of_bounds(model, key, full) and out_of_bounds(model, key, full + full[:1])
        assert not out_of_bounds(model, key, full[:least])
        assert least == 0 or out_of_bounds(model, key, full[: least - 1])
    else:
        assert bounds in ("text", "list", "path", "true, false", "number", "integer", "integer, text") or bounds[0] == "`" or key == "value"


def test_every_key_that_is_no_table_of_its_own_is_in_the_reference():
    found = [(top, heading, model) for top in (LineConfig, Recipe) for heading, model, _ in (("", top, ""), *sections(top))]
    tables = {heading.strip("[]").split("]")[0].rpartition(".")[2] for _, heading, _ in found}
    told = {(row.values[0], row.values[1]) for row in ROWS}
    assert not [(model, key) for _, _, model in found for key in model.model_fields if (model, key) not in told and key not in tables]


@pytest.mark.parametrize(("model", "key", "bounds"), ROWS)
def test_a_key_that_has_choices_names_each_of_them(model, key, bounds):
    """One that may be absent too; of a list the meaning names them."""
    field = model.model_fields[key]
    choices = re.findall(r"'(\w+)'", "".join(re.findall(r"Literal\[(.*?)\]", str(field.annotation))))
    assert [each for each in choices if f"`{each}`" not in (f"{bounds} {field.description}")] == []


def test_a_list_is_written_as_line_toml_takes_it():
    lists = re.findall(r"^\| `(\w+)` \| `([\[(].*?)` \|", REFERENCE, re.MULTILINE)
    assert {key: tomllib.loads(f"x = {value}")["x"] for key, value in lists} == {"shifts": ["06:00", "14:00", "22:00"]}
