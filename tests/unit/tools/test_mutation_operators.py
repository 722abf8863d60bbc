"""What is changed in a module's text, what is left alone, and by what name a mutant is known again."""

import ast
import textwrap

import pytest

from tools.mutation.mutants import diff, mutants_of, mutated
from tools.mutation.operators import NAMES


def changes(source, operator=None):
    return [mutant.after for mutant in mutants_of("pkg/a.py", source) if operator in {None, mutant.operator}]


@pytest.mark.parametrize(
    ("operator", "source", "after"),
    [
        ("compare", "x = a < b\n", ["x = (a <= b)", "x = (a >= b)"]),
        ("compare", "x = a == b\n", ["x = (a != b)"]),
        ("compare", "x = 0 <= a < b\n", ["x = (0 < a < b)", "x = (0 > a < b)", "x = (0 <= a <= b)", "x = (0 <= a >= b)"]),
        ("compare", "x = a is None\n", ["x = (a is not None)"]),
        ("compare", "x = a not in b\n", ["x = (a in b)"]),
        ("arithmetic", "x = a + b\n", ["x = (a - b)"]),
        ("arithmetic", "x = a >> b\n", ["x = (a << b)"]),
        ("arithmetic", "x = -a\n", ["x = (a)"]),
        ("arithmetic", "def f():\n    x += 1\n", ["x -= 1"]),
        ("boolean", "x = a and b\n", ["x = (a or b)"]),
        ("not", "x = not a\n", ["x = (a)"]),
        ("condition", "def f():\n    if a:\n        g()\n", ["if True:", "if False:"]),
        ("condition", "def f():\n    while a:\n        g()\n", ["while False:"]),
        ("condition", "x = [a for a in b if a]\n", ["x = [a for a in b if True]", "x = [a for a in b if False]"]),
        ("branches", "x = a if c else b\n", ["x = a if (not (c)) else b"]),
        ("constant", "x = 5\n", ["x = 6", "x = (4)"]),
        ("constant", "x = 0.5\n", ["x = 1.5", "x = (-0.5)"]),
        ("constant", "x = True\n", ["x = False"]),
        ("constant", "def f(a=1, *, b=False):\n    pass\n", ["def f(a=2, *, b=False):", "def f(a=(0), *, b=False):", "def f(a=1, *, b=True):"]),
        ("return", "def f():\n    return a\n", ["return None"]),
        ("statement", "def f():\n    a = 1\n    g()\n    del a\n    raise E\n", ["pass", "pass", "pass", "pass"]),
        ("statement", "def f():\n    for a in b:\n        if a:\n            continue\n        break\n", ["pass", "pass"]),
        ("statement", "def f():\n    if a:\n        return\n    return\n", ["pass"]),
        ("keyword", "x = f(a, b=1, **c)\n", ["x = (f(a, **c))"]),
        ("slice", "x = a[1:n]\n", ["x = a[:n]", "x = a[1:]", "x = a[1:(n) + 1]"]),
        ("except", "try:\n    f()\nexcept (A, B):\n    pass\n", ["except (B,):", "except (A,):"]),
        ("except", "try:\n    f()\nexcept A:\n    pass\n", ["except ():"]),
    ],
)  # fmt: skip
def test_an_operator_changes(operator, source, after):
    assert changes(source, operator) == after


def test_every_operator_has_a_test():
    tried = {parameters[0] for parameters in test_an_operator_changes.pytestmark[0].args[1]}
    assert tried == set(NAMES)


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""\n\nX = "a"\nY = f"{1 + 2} of {b[0]}"\n',
        'def f():\n    self.log.warning("event", count=n + 1)\n',
        'def f():\n    self._line(self._log.info, "event", count=n + 1)\n',
        "x: Literal[1]\n",
        "def f(a: 'tuple[int, 3]' = None) -> Literal[1]:\n    pass\n",
        "if TYPE_CHECKING:\n    X = 1\n",
        "if __name__ == '__main__':\n    sys.exit(1)\n",
        "class A:\n    __slots__ = ('a',) * 2\n",
        "@dataclass(frozen=True, slots=True)\nclass A:\n    a: int\n",
        "x = zip(a, b, strict=f)\n",
        "x = Field(description=a)\n",
        "def f():\n    assert a < 1\n",
        "def f():\n    return None\n",
    ],
)
def test_what_is_for_people_or_the_checker_is_left_alone(source):
    assert changes(source) == []


def test_a_return_that_ends_the_function_anyway_is_not_removed():
    source = "def f():\n    try:\n        g()\n    except A:\n        return None\n    else:\n        return\n"
    assert "return" not in changes(source, "statement") and changes(source, "statement") == ["pass"]


def test_every_mutant_of_a_module_is_python_and_differs_from_it():
    with open(textwrap.__file__) as file:
        source = file.read()
    found = mutants_of("textwrap.py", source)
    assert len(found) > 200
    plain = ast.dump(ast.parse(source))
    for mutant in found[::7]:
        assert ast.dump(ast.parse(mutated(source, mutant))) != plain, diff(source, mutant)


SOURCE = "A = 1\n\n\ndef f(a):\n    return a + 1\n\n\nclass C:\n    def g(self):\n        return self.x < 2\n\n    def h(self):\n        return 3\n"


def test_ids_and_keys_are_unique():
    found = mutants_of("pkg/a.py", SOURCE)
    assert len({mutant.id for mutant in found}) == len({mutant.key for mutant in found}) == len(found)
    assert found[0].id == "pkg/a.py:1:5:constant:0"
    assert {mutant.function for mutant in found} == {"", "f", "C.g", "C.h"}


def test_the_key_outlives_a_change_of_another_function_and_not_one_of_its_own():
    def keys(source, function):
        return {mutant.key for mutant in mutants_of("pkg/a.py", source) if mutant.function == function}

    other = "# moved\n\n" + SOURCE.replace("self.x < 2", "self.x + 1 < 2")
    assert keys(other, "f") == keys(SOURCE, "f")
    assert keys(other, "C.h") == keys(SOURCE, "C.h")
    assert not keys(other, "C.g") & keys(SOURCE, "C.g")


def test_a_diff_shows_the_one_change():
    mutant = next(each for each in mutants_of("pkg/a.py", SOURCE) if each.operator == "compare")
    lines = diff(SOURCE, mutant).splitlines()
    assert [line for line in lines if line[0] in "+-"][2:] == ["-        return self.x < 2", "+        return (self.x <= 2)"]


def test_texts_beyond_ascii_do_not_shift_a_change():
    source = 'X = "ä€"; Y = 1  # ü\n'
    assert [mutated(source, each) for each in mutants_of("a.py", source)] == ['X = "ä€"; Y = 2  # ü\n', 'X = "ä€"; Y = (0)  # ü\n']
