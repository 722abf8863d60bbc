"""What a mutation operator makes of a piece of the syntax tree.

An operator has a name, which is part of a mutant's id. Each gives the text that stands in the place of the node.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    # the neighbour first, then the negation
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
NAMES: Final = {
    "compare": "a comparison becomes its neighbour (< is <=) and its negation (< is >=)",
    "arithmetic": "+ is -, * is //, << is >>, & is |, and so on; a minus sign goes",
    "boolean": "and is or",
    "not": "a not goes",
    "condition": "a condition is always true, and never true (a loop's only the latter)",
    "branches": "the two branches of an if change places",
    "constant": "a number is one more and one less; True is False",
    "return": "None is returned in place of the value",
    "statement": "a call, an assignment, raise, return, continue, break or del goes",
    "keyword": "a keyword argument is left out",
    "slice": "a bound of a slice is left out, or one more",
    "except": "an except clause no longer catches one of its errors",
}

_Node = TypeVar("_Node", bound=ast.AST)


class Change(NamedTuple):
    """`text` in the place of `node`."""

    node: ast.AST
    operator: str
    text: str


def _edited(node: _Node, edit: Callable[[_Node], Any]) -> str:
    made = copy.deepcopy(node)
    edit(made)
    return f"({ast.unparse(made)})"


def _same(node: ast.AST) -> str:
    return f"({ast.unparse(node)})"


def compare(node: ast.Compare) -> Iterator[Change]:
    """Each operator of a chain by itself."""
    for at, operator in enumerate(node.ops):
        for other in COMPARISONS[type(operator)]:

            def edit(made: ast.Compare, at: int = at, other: type[ast.cmpop] = other) -> None:
                made.ops[at] = other()

            yield Change(node, "compare", _edited(node, edit))


def binary(node: ast.BinOp) -> Iterator[Change]:
    """One other operator for each."""
    other = ARITHMETIC.get(type(node.op))
    if other is not None and not _is_text(node.left):  # text with % or * has no other reading
        yield Change(node, "arithmetic", _edited(node, lambda made: setattr(made, "op", other())))


def augmented(node: ast.AugAssign) -> Iterator[Change]:
    """`+=` is `-=`."""
    other = ARITHMETIC.get(type(node.op))
    if other is not None:
        yield Change(node, "arithmetic", _edited(node, lambda made: setattr(made, "op", other()))[1:-1])


def boolean(node: ast.BoolOp) -> Iterator[Change]:
    """`and` is `or`."""
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield Change(node, "boolean", _edited(node, lambda made: setattr(made, "op", other())))


def unary(node: ast.UnaryOp) -> Iterator[Change]:
    """`not` and the minus sign go."""
    if isinstance(node.op, ast.Not):
        yield Change(node, "not", _same(node.operand))
    elif isinstance(node.op, ast.USub):
        yield Change(node, "arithmetic", _same(node.operand))


def constant(node: ast.Constant) -> Iterator[Change]:
    """Numbers and truth values; a text is never changed."""
    if isinstance(node.value, bool):
        yield Change(node, "constant", str(not node.value))
    elif isinstance(node.value, (int, float)):
        yield Change(node, "constant", repr(node.value + 1))
        yield Change(node, "constant", f"({node.value - 1!r})")


def condition(test: ast.expr, *, loop: bool = False) -> Iterator[Change]:
    """Always and never; a loop that never ends would only be waited for."""
    if isinstance(test, ast.Constant):
        return
    if not loop:
        yield Change(test, "condition", "True")
    yield Change(test, "condition", "False")


def branches(node: ast.If | ast.IfExp) -> Iterator[Change]:
    """As the negated condition, which comes to the same."""
    if node.orelse and not isinstance(node.test, (ast.UnaryOp, ast.Compare)):
        yield Change(node.test, "branches", f"(not {_same(node.test)})")


def returned(node: ast.Return) -> Iterator[Change]:
    """None for the value; a truth value is turned over elsewhere, and None would read as False."""
    if node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value in {None, True, False}
    ):
        yield Change(node, "return", "return None")


def removed(node: ast.stmt) -> Iterator[Change]:
    """`pass` for the statement."""
    yield Change(node, "statement", "pass")


def keywords(node: ast.Call, left_alone: Callable[[ast.keyword], bool]) -> Iterator[Change]:
    """Each keyword argument is left out by itself."""
    for at, keyword in enumerate(node.keywords):
        if keyword.arg is None or left_alone(keyword):
            continue

        def edit(made: ast.Call, at: int = at) -> None:
            del made.keywords[at]

        yield Change(node, "keyword", _edited(node, edit))


def slices(node: ast.Slice) -> Iterator[Change]:
    """Each bound is left out; one that is worked out is one more as well."""
    for name in ("lower", "upper", "step"):
        bound = getattr(node, name)
        if bound is None:
            continue

        def edit(made: ast.Slice, name: str = name) -> None:
            setattr(made, name, None)

        yield Change(node, "slice", _edited(node, edit)[1:-1])
        if name != "step" and not isinstance(bound, ast.Constant):
            yield Change(bound, "slice", f"({ast.unparse(bound)}) + 1")


def caught(node: ast.ExceptHandler) -> Iterator[Change]:
    """Each of the errors is left out by itself; the last one leaves a clause that catches nothing."""
    if node.type is None:
        return
    if not isinstance(node.type, ast.Tuple):
        yield Change(node.type, "except", "()")
        return
    for at in range(len(node.type.elts)):
        left = [*node.type.elts[:at], *node.type.elts[at + 1 :]]
        yield Change(node.type, "except", f"({', '.join(map(ast.unparse, left))},)" if left else "()")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
