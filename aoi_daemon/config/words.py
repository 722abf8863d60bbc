"""What pydantic found wrong with a file, in words: line, key, value and bound, or the key that was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from aoi_daemon.files.toml import line_of

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN: Final = 80
_MOST_LINES: Final = 20
"""Problems whose line is looked for: to mend these is to read the rest of the file."""


def words_of(error: ValidationError, text: str, data: dict[str, Any], model: type[BaseModel]) -> list[str]:
    """Each problem in `text`, which was read as `data` and is no `model`, as `:LINE: key = value: what is wrong`."""
    found = []
    problems = error.errors()
    # A list without its wrong members is too short to pydantic; the file has them.
    inside = {tuple(problem["loc"][:end]) for problem in problems for end in range(len(problem["loc"]))}
    problems = [problem for problem in problems if problem["type"] != "too_short" or problem["loc"] not in inside]
    for number, problem in enumerate(problems):
        path = _path(problem, data)
        line = line_of(text, path) if number < _MOST_LINES else 0
        found.append((f":{line}: " if line else "") + _word(problem, data, path, model))
    return found


def _path(problem: Any, data: Any) -> list[str | int]:
    """Where the problem is, as the file has it: pydantic also names the member of a union."""
    path: list[str | int] = []
    at: Any = data
    for step in problem["loc"]:
        try:
            at = at[step]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(step)
    return path


def _word(problem: Any, data: Any, path: list[str | int], model: type[BaseModel]) -> str:
    kind, message = problem["type"], str(problem["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return f"{_key([*path, problem['loc'][-1]])}: missing"
    if kind == "extra_forbidden":
        return f"{_key(path)}: unknown key{_suggest(str(path[-1]), _kind_at(data, path), model)}"
    if kind in ("tuple_type", "list_type") and isinstance(problem["input"], dict) and path:
        return f"{_key(path)}: is a list of tables: write [[{_key(path)}]], once for each"
    if kind == "model_type" and isinstance(problem["input"], list) and path:
        return f"{_key(path)}: is one table: write [{_key(path)}]"
    if kind == "value_error":
        return f"{_key(path)}: {message}" if path else message
    return f"{_key(path)} = {_shown(problem['input'])}: {message[0].lower()}{message[1:]}"


def _key(path: list[Any]) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{_quoted(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def _quoted(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _shown(key)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _kind_at(data: Any, path: list[str | int]) -> str:
    """The `kind` of the table that has the key; "" for a table without."""
    for step in path[:-1]:
        data = data[step]
    return str(data.get("kind", ""))


def _suggest(key: str, kind: str, model: type[BaseModel]) -> str:
    homes: dict[str, str] = {}
    schema = model.model_json_schema()
    for table, properties in _tables(schema, schema.get("$defs", {}), ""):
        its_kind = properties.get("kind", {}).get("const", "")
        of_kind = f' of kind = "{its_kind}"' if its_kind else ""
        for known in properties:
            homes.setdefault(known, f"[{table}]{of_kind}" if table else "the top of the file")
    if key in homes:
        this = f'; this one is of kind = "{kind}"' if kind and " of kind" in homes[key] else ""
        return f": it belongs to {homes[key]}{this}"
    near = difflib.get_close_matches(key, homes)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _tables(node: Any, defs: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each table that the schema `node` has in it, with its name and its keys; what is no table has none."""
    if "$ref" in node:
        node = defs[node["$ref"].rpartition("/")[2]]
    properties = node.get("properties", {})
    yield name, properties
    for key, inner in properties.items():
        yield from _tables(inner, defs, f"{name}.{key}".lstrip("."))
    for inner in (*node.get("anyOf", ()), *node.get("oneOf", ()), *([node["items"]] if "items" in node else ())):
        yield from _tables(inner, defs, name)
