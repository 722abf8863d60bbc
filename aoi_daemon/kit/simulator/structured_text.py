"""Structured text (IEC 61131-3) made into Python: what the daemon hands out for a PLC is run, not imitated.

Enough of the language for that: function blocks, one program, global variables, IF, assignments, calls of blocks.
What it does not know it refuses with SyntaxError. UINT, UDINT and their like wrap as on a PLC; times are ns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any, Final

_TOKEN: Final = re.compile(r"\s*(T#\d+(?:\.\d+)?(?:ms|s)\b|<>|>=|<=|:=|[A-Za-z_]\w*|\d+|[-+*/()<>=\[\],;:.])")
_COMMENT: Final = re.compile(r"\(\*.*?\*\)", re.S)
_OPERATORS: Final = {
    "AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False", "MOD": "%", "/": "//",
    "XOR": "!=", "<>": "!=", "=": "==",
}  # fmt: skip
_BRANCHES: Final = {"IF": "if", "ELSIF": "elif"}
_WRAPS_AT: Final = {"UINT": 0xFFFF, "UDINT": 0xFFFF_FFFF}
_PLAIN: Final = {"BOOL": "False", "TIME": "0", "UINT": "0", "INT": "0", "UDINT": "0", "DINT": "0"}


class Ton:
    """The standard's on-delay timer: `Q` once `IN` has been there for `PT` (ns); `ET` for how long, `PT` at most."""

    def __init__(self) -> None:
        self.IN = self.Q = False
        self.PT = self.ET = 0
        self.began_ns: int | None = None

    def scan(self, now_ns: int) -> None:
        """One call."""
        if not self.IN:
            self.began_ns = None
        elif self.began_ns is None:
            self.began_ns = now_ns
        self.ET = 0 if self.began_ns is None else min(now_ns - self.began_ns, self.PT)
        self.Q = self.began_ns is not None and now_ns - self.began_ns >= self.PT


class RisingEdge:
    """The standard's R_TRIG: `Q` in the scan in which `CLK` has come."""

    def __init__(self) -> None:
        self.CLK = self.Q = self._was = False

    def scan(self, now_ns: int) -> None:
        """One call."""
        self.Q = self.CLK and not self._was
        self._was = self.CLK


_STANDARD: Final[dict[str, Callable[[], Any]]] = {"TON": Ton, "R_TRIG": RisingEdge}


@dataclass(frozen=True)
class _Variable:
    kind: str
    start: str
    size: int  # 0: no array


@dataclass(frozen=True)
class Branch:
    """A way through a block. `parent`: the branch in which it lies, by its place in `Text.branches`; -1: none."""

    label: str
    parent: int
    first: bool
    """It begins an IF: what the parent has and none of this chain takes, no branch took."""


class Text:
    """A program's text made into Python once, for any number of PLCs. `met` counts how often each branch was taken.

    Raises:
        SyntaxError: it has what this reader does not know, or names what it does not declare.
    """

    def __init__(self, source: str) -> None:
        tokens = _tokens(_COMMENT.sub(" ", source))
        self.branches: list[Branch] = []
        declared: dict[str, _Variable] = {}
        self.blocks: dict[str, CodeType] = {}
        programs = []
        for kind, name, variables, body in _units(tokens):
            if kind == "VAR_GLOBAL":
                declared |= variables
                continue
            self.blocks[name] = self._compile(name, variables, body, declared if kind == "PROGRAM" else {})
            programs += [name] * (kind == "PROGRAM")
        self.world = self._compile("GLOBALS", declared, [], {})
        if len(programs) > 1:
            raise SyntaxError(f"one PROGRAM is expected, not {programs}")
        self.main = programs[0] if programs else ""
        self.met = [0] * len(self.branches)

    def _compile(
        self, name: str, variables: dict[str, _Variable], body: list[str], world: dict[str, _Variable]
    ) -> CodeType:
        lines = [f"class {name}:", " def __init__(s, g=None):", "  s.g = g"]
        for key, variable in variables.items():
            if variable.kind in _PLAIN:
                start = " ".join(_Body(variables, {}).expression(_tokens(variable.start))) or _PLAIN[variable.kind]
            elif variable.kind in _STANDARD or variable.kind in self.blocks:
                start = f"kinds[{variable.kind!r}]()"
            else:
                raise SyntaxError(f"{name}.{key}: the type {variable.kind} is not known")
            lines.append(f"  s.{key} = " + (f"[{start} for _ in range({variable.size})]" if variable.size else start))
        lines += [" def scan(s, now_ns):", "  g = s.g", *_Body(variables, world, name, self.branches).statements(body)]
        return compile("\n".join(lines), name, "exec")


@lru_cache(maxsize=512)
def text_of(source: str) -> Text:
    """`source` as Python; the same text is read once."""
    return Text(source)


class Program:
    """`source`, its function blocks running. `main` is an instance of its one PROGRAM, `world` its global variables.

    Raises:
        SyntaxError: as `Text`.
    """

    def __init__(self, source: str) -> None:
        self.text = text_of(source)
        self._kinds: dict[str, Callable[..., Any]] = dict(_STANDARD)
        for name, code in self.text.blocks.items():
            self._kinds[name] = self._class(name, code)
        self.world: Any = self._class("GLOBALS", self.text.world)()
        self.main: Any = self.block(self.text.main, self.world) if self.text.main else None

    def block(self, name: str, *world: Any) -> Any:
        """A new instance of the function block `name`: its variables are attributes, `scan(now_ns)` runs it once."""
        return self._kinds[name](*world)

    def _class(self, name: str, code: CodeType) -> Callable[..., Any]:
        space: dict[str, Any] = {"kinds": self._kinds, "m": self.text.met}
        exec(code, space)  # our own program, made into Python
        found: Callable[..., Any] = space[name]
        return found


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SyntaxError(f"not understood: {text[at : at + 30]!r}")
        found.append(match.group(1))
        at = match.end()
    return found


def _units(tokens: list[str]) -> Iterator[tuple[str, str, dict[str, _Variable], list[str]]]:
    """Blocks of global variables, function blocks and programs, as they come."""
    at = 0
    while at < len(tokens):
        kind = tokens[at]
        if kind == "VAR_GLOBAL":
            end = tokens.index("END_VAR", at)
            start = at + 1 + (tokens[at + 1] == "CONSTANT")
            yield kind, "", _declarations(tokens[start:end]), []
        elif kind in {"FUNCTION_BLOCK", "PROGRAM"}:
            end = tokens.index(f"END_{kind}", at)
            start = at + 2
            variables: dict[str, _Variable] = {}
            while tokens[start] in {"VAR", "VAR_INPUT", "VAR_OUTPUT"}:
                last = tokens.index("END_VAR", start)
                variables |= _declarations(tokens[start + 1 : last])
                start = last + 1
            yield kind, tokens[at + 1], variables, tokens[start:end]
        else:
            raise SyntaxError(f"{kind} where a block should begin")
        at = end + 1


def _declarations(tokens: list[str]) -> dict[str, _Variable]:
    found: dict[str, _Variable] = {}
    for one in _split(tokens, ";"):
        colon = one.index(":")
        names, rest, size = one[:colon:2], one[colon + 1 :], 0
        if rest[0] == "ARRAY":  # ARRAY [ 0 . . last ] OF kind
            size, rest = int(rest[5]) + 1, rest[8:]
        for name in names:
            if name in found:
                raise SyntaxError(f"{name} is declared twice")
            found[name] = _Variable(rest[0], " ".join(rest[2:]), size)
    return found


def _split(tokens: list[str], at: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token in "([") - (token in ")]")
        if token == at and not depth:
            found.append([])
        else:
            found[-1].append(token)
    return [part for part in found if part]


class _Body:
    """Statements of a block made into lines of Python: `s` is the instance, `g` the global variables."""

    def __init__(
        self,
        variables: dict[str, _Variable],
        world: dict[str, _Variable],
        block: str = "",
        branches: list[Branch] | None = None,
    ) -> None:
        self._variables = variables
        self._world = world
        self._block = block
        self._branches = [] if branches is None else branches

    def statements(self, tokens: list[str]) -> list[str]:
        lines, at, depth = [], 0, 2
        open_ = [self._branch("", -1, first=True)] if tokens else []
        lines.append(f"  m[{open_[0]}] += 1" if tokens else "  pass")
        while at < len(tokens):
            word = tokens[at]
            if word in _BRANCHES:
                end = tokens.index("THEN", at)
                if word == "ELSIF":
                    depth -= 1
                    open_.pop()
                condition = " ".join(self.expression(tokens[at + 1 : end]))
                open_.append(self._branch(" ".join(tokens[at:end]), open_[-1], first=word == "IF"))
                lines += [" " * depth + f"{_BRANCHES[word]} {condition}:", " " * (depth + 1) + f"m[{open_[-1]}] += 1"]
                depth += 1
            elif word == "ELSE":
                end = at
                before = open_.pop()
                label = f"{self._branches[before].label.partition(': ')[2]}: ELSE"
                open_.append(self._branch(label, open_[-1], first=False))
                lines += [" " * (depth - 1) + "else:", " " * depth + f"m[{open_[-1]}] += 1"]
            elif word == "END_IF":
                end = at + 1  # its semicolon
                depth -= 1
                open_.pop()
            else:
                end = tokens.index(";", at)
                lines += [" " * depth + line for line in self._statement(tokens[at:end])]
            at = end + 1
        if depth != 2:
            raise SyntaxError("an IF is not ended")
        return lines

    def _branch(self, label: str, parent: int, *, first: bool) -> int:
        self._branches.append(Branch(f"{self._block}: {label}", parent, first))
        return len(self._branches) - 1

    def _statement(self, tokens: list[str]) -> list[str]:
        if tokens[1] == "(":
            block = self._name(tokens[0])
            given = [_split(one, ":=") for one in _split(tokens[2:-1], ",")]
            lines = [f"{block}.{name[0]} = {' '.join(self.expression(value))}" for name, value in given]
            return [*lines, f"{block}.scan(now_ns)"]
        middle = tokens.index(":=")
        value = " ".join(self.expression(tokens[middle + 1 :]))
        variable = self._variables.get(tokens[0]) or self._world[tokens[0]]
        mask = _WRAPS_AT.get(variable.kind)
        if mask is not None and not value.isdecimal():
            value = f"({value}) & {mask}"
        return [f"{' '.join(self.expression(tokens[:middle]))} = {value}"]

    def expression(self, tokens: list[str]) -> list[str]:
        found = []
        for index, token in enumerate(tokens):
            if token.startswith("T#"):
                number, unit = re.fullmatch(r"T#([\d.]+)(ms|s)", token).groups()  # type: ignore[union-attr]
                found.append(str(round(float(number) * {"ms": 1e6, "s": 1e9}[unit])))
            elif token in _OPERATORS:
                found.append(_OPERATORS[token])
            elif token[0].isalpha() or token[0] == "_":
                member = index > 0 and tokens[index - 1] == "."
                found.append(token if member else self._name(token))
            else:
                found.append(token)
        return found

    def _name(self, name: str) -> str:
        if name in self._variables:
            return f"s.{name}"
        if name in self._world:
            return f"g.{name}"
        raise SyntaxError(f"{name} is not declared")
