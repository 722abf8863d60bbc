"""What is not mutated, and why.

Each rule leaves out code whose change no test should have to notice: words for people, statements that only a type
checker or a reader uses. All else is mutated, and what cannot matter is listed with its reason in
`tests/equivalents.toml`.
"""

from __future__ import annotations

import ast
from typing import Final

_LOG_METHODS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_LOGGERS: Final = frozenset({"log", "_log", "logger"})
_WORDS: Final = frozenset({"description", "title", "help", "epilog", "metavar", "usage", "prog", "examples"})

WHY: Final = {
    "texts, docstrings and f-strings": "words for people; what a text must say is tested where a program reads it",
    "log calls": "what is logged is for people; what is counted, audited or alarmed is mutated",
    "annotations, type aliases, TYPE_CHECKING, cast, overload": "for the type checker, which judges them itself",
    "__slots__, __all__, dataclass arguments": "speed and safety of the class itself, no behaviour of an object",
    "assert": "says what the reader may take for granted",
    "strict= of zip": "an assertion too",
    "description, title, help and their like": "words for people",
    "`if __name__ == \"__main__\"`": "the other process runs it",
}  # fmt: skip


def statement(node: ast.stmt) -> bool:
    """True where nothing in this statement is mutated."""
    if isinstance(node, (ast.Assert, ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or is_log_call(node.value)
    if isinstance(node, ast.If):
        return _is_for_the_checker(node.test)
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return any(isinstance(target, ast.Name) and target.id in {"__slots__", "__all__"} for target in targets)


def decorator(node: ast.expr) -> bool:
    """True where nothing in this decorator is mutated."""
    name = node.func if isinstance(node, ast.Call) else node
    return ast.unparse(name).rpartition(".")[2] in {"dataclass", "overload"}


def expression(node: ast.AST) -> bool:
    """True where nothing in this expression is mutated."""
    if isinstance(node, ast.JoinedStr) or is_log_call(node):
        return True
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"TypeVar", "ParamSpec", "cast"}


def keyword(call: ast.Call, argument: ast.keyword) -> bool:
    """True where this keyword argument is not left out."""
    if argument.arg == "strict" and ast.unparse(call.func) == "zip":
        return True
    return argument.arg in _WORDS


def is_log_call(node: ast.AST) -> bool:
    """`self.log.warning(...)`, and a call that is handed such a method."""
    return isinstance(node, ast.Call) and any(_is_log_method(each) for each in (node.func, *node.args))


def _is_log_method(node: ast.expr) -> bool:
    if not (isinstance(node, ast.Attribute) and node.attr in _LOG_METHODS):
        return False
    owner = node.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name in _LOGGERS


def _is_for_the_checker(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return text in {"TYPE_CHECKING", "typing.TYPE_CHECKING"} or text.startswith("__name__ ==")
