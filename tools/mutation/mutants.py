"""The mutants of a module: where each stands, what it changes, and a name that outlives other changes of the file."""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.mutation import excluded, operators
from tools.mutation.operators import Change

_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    `lines` are those of the statement it stands in, by which its tests are found; `at_import` that it is executed when
    the module is imported. `function` is the qualified name of what it stands in, "" for the module itself.
    """

    path: str
    line: int
    column: int
    operator: str
    index: int
    function: str
    start: int
    end: int
    text: str
    lines: tuple[int, int]
    at_import: bool
    key: str
    before: str
    after: str

    @property
    def id(self) -> str:
        """Unique in this version of the file: path, line, column (from 1), operator, and a count."""
        return f"{self.path}:{self.line}:{self.column}:{self.operator}:{self.index}"


def mutated(source: str, mutant: Mutant) -> str:
    """The module's text with the change in it."""
    data = source.encode()
    return (data[: mutant.start] + mutant.text.encode() + data[mutant.end :]).decode()


def diff(source: str, mutant: Mutant) -> str:
    """The change as a unified diff."""
    pair = source.splitlines(keepends=True), mutated(source, mutant).splitlines(keepends=True)
    return "".join(difflib.unified_diff(*pair, mutant.path, f"{mutant.path} (mutant)"))


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All of them, in the order of the file."""
    return _Finder(path, source).find()


def mutants_in(root: Path, path: str) -> list[Mutant]:
    """Those of a file below `root`."""
    return mutants_of(path, (root / path).read_text())


class _Finder:
    """Walks a module's tree; knows the statement and the function it is in."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._lines = source.encode().splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._found: list[tuple[Change, ast.stmt, tuple[ast.AST, ...]]] = []

    def find(self) -> list[Mutant]:
        self._block(ast.parse(self._source).body, ())
        self._found.sort(key=lambda found: self._span(found[0].node)[0])
        counts: dict[tuple[int, str], int] = {}
        made = []
        for change, statement, scope in self._found:
            at = (self._span(change.node)[0], change.operator)
            counts[at] = counts.get(at, -1) + 1
            made.append(self._made(change, statement, scope, counts[at]))
        return made

    def _span(self, node: ast.AST) -> tuple[int, int]:
        placed: Any = node  # only nodes that have a place come here
        start = self._starts[placed.lineno - 1] + placed.col_offset
        return start, self._starts[placed.end_lineno - 1] + placed.end_col_offset

    def _made(self, change: Change, statement: ast.stmt, scope: tuple[ast.AST, ...], index: int) -> Mutant:
        placed: Any = change.node
        start, end = self._span(placed)
        first, last = statement.lineno, _header_end(statement)
        functions = [node for node in scope if isinstance(node, _FUNCTIONS)]
        outer = functions[0] if functions else statement
        name = ".".join(getattr(node, "name", "") for node in scope)
        # Of what it stands in, not of the file: a change elsewhere leaves the key as it is.
        context = (self._path, name, ast.unparse(outer), start - self._span(outer)[0], change.operator, change.text)
        data = self._source.encode()
        lines = slice(self._starts[placed.lineno - 1], self._starts[placed.end_lineno])
        before = data[lines].decode()
        after = (data[lines.start : start] + change.text.encode() + data[end : lines.stop]).decode()
        return Mutant(
            path=self._path, line=placed.lineno, column=placed.col_offset + 1, operator=change.operator, index=index,
            function=name, start=start, end=end, text=change.text, lines=(first, last),
            at_import=not functions,
            key=hashlib.sha256(repr(context).encode()).hexdigest()[:24],
            before=_one_line(before), after=_one_line(after),
        )  # fmt: skip

    def _block(self, body: list[ast.stmt], scope: tuple[ast.AST, ...]) -> None:
        for statement in body:
            if not excluded.statement(statement):
                self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: tuple[ast.AST, ...]) -> None:
        in_function = bool(scope) and isinstance(scope[-1], _FUNCTIONS)
        if in_function:
            self._add(_of_statement(node, scope[-1]), node, scope)
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            outside = [each for each in node.decorator_list if not excluded.decorator(each)]
            if isinstance(node, ast.ClassDef):
                outside += [keyword.value for keyword in node.keywords]
            else:
                outside += [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
            for expression in outside:
                self._expression(expression, node, scope)
            self._block(node.body, (*scope, node))
            return
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "type_comment"}:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.stmt):
                    self._block([child], scope)
                elif isinstance(child, ast.ExceptHandler):
                    self._add(operators.caught(child), node, scope)
                    self._block(child.body, scope)
                elif isinstance(child, ast.AST):
                    self._expression(child, node, scope)

    def _expression(self, node: ast.AST, statement: ast.stmt, scope: tuple[ast.AST, ...]) -> None:
        if excluded.expression(node):
            return
        self._add(_of_expression(node), statement, scope)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):  # the body of a match's case
                self._block([child], scope)
            else:
                self._expression(child, statement, scope)

    def _add(self, changes: Iterator[Change], statement: ast.stmt, scope: tuple[ast.AST, ...]) -> None:
        self._found += [(change, statement, scope) for change in changes]


def _of_statement(node: ast.stmt, function: ast.AST) -> Iterator[Change]:
    last = _is_last(node, function.body[-1])  # type: ignore[attr-defined]  # a function
    if isinstance(node, (ast.Raise, ast.Continue, ast.Break, ast.Delete, ast.Assign, ast.AugAssign)):
        yield from operators.removed(node)
    if (isinstance(node, ast.AnnAssign) and node.value) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield from operators.removed(node)
    if isinstance(node, ast.Return):
        yield from operators.returned(node)
        # Behind the last statement the function returns None by itself; without a last value that is `return` above.
        if not last:
            yield from operators.removed(node)
    if isinstance(node, ast.AugAssign):
        yield from operators.augmented(node)
    if isinstance(node, ast.If):
        yield from operators.condition(node.test)
        yield from operators.branches(node)
    if isinstance(node, ast.While):
        yield from operators.condition(node.test, loop=True)


def _of_expression(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        yield from operators.compare(node)
    elif isinstance(node, ast.BinOp):
        yield from operators.binary(node)
    elif isinstance(node, ast.BoolOp):
        yield from operators.boolean(node)
    elif isinstance(node, ast.UnaryOp):
        yield from operators.unary(node)
    elif isinstance(node, ast.Constant):
        yield from operators.constant(node)
    elif isinstance(node, ast.IfExp):
        yield from operators.condition(node.test)
        yield from operators.branches(node)
    elif isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield from operators.condition(test)
    elif isinstance(node, ast.Call):
        yield from operators.keywords(node, lambda keyword: excluded.keyword(node, keyword))
    elif isinstance(node, ast.Slice):
        yield from operators.slices(node)


def _is_last(node: ast.stmt, end: ast.stmt) -> bool:
    """True where nothing of the function is executed after `node`, which stands in its last statement `end`."""
    if node is end:
        return True
    blocks = [getattr(end, "body", []), getattr(end, "orelse", [])] if isinstance(end, (ast.If, ast.With)) else []
    if isinstance(end, ast.Try) and not end.finalbody:
        blocks = [handler.body for handler in end.handlers] + ([end.orelse] if end.orelse else [end.body])
    return any(block and _is_last(node, block[-1]) for block in blocks)


def _header_end(node: ast.stmt) -> int:
    """The last line that belongs to the statement and to none within it."""
    within = [child.lineno for child in ast.walk(node) if isinstance(child, ast.stmt) and child is not node]
    return max(node.lineno, min(within) - 1) if within else (node.end_lineno or node.lineno)


def _one_line(text: str) -> str:
    return " ".join(text.split())
