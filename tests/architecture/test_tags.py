"""HTML is written by templates, SVG by the elements of `markup.svg`: nothing else writes a tag, so nothing forgets to escape."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("aoi_daemon", "tools")

TAG = re.compile(r"<[a-z/]")
"""What begins a tag; so does a "<" at the end of a part of an f-string, whose name is put in."""

FORMAT = re.compile(r"<([uif][1248]|[xbBhHiIlLqQfds?\d]{3,})")
"""A little-endian number of numpy ("<u2") or a record of struct ("<qH16s"), which are no tag in an f-string either."""

GROUP = re.compile(r"\(\?P?<[a-z!=]")
"""A named group or a look behind, in a regular expression."""

EXCEPTIONS = {
    "aoi_daemon/markup/svg.py": "the elements themselves, which escape what they are given",
    "aoi_daemon/engine/reference.py": "ONNX's own text form of a graph has its attributes in <>",
    "aoi_daemon/stage/logs.py": "<6> is a priority of the system's log",
    "aoi_daemon/notifier/message.py": "a mail's Message-ID is an address in <>",
}
"""By file or folder: why what looks like a tag is none. One that nothing needs is a fault too."""


class Found(NamedTuple):
    """The lines of a source with a string that has a tag, and those with a `Markup` of what is not constant."""

    tags: list[int]
    trusted: list[int]


def look(source: str) -> Found:
    """What there is in `source`; docstrings are left out, they are for people."""
    nodes = list(ast.walk(ast.parse(source)))
    joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    # A string that stands alone is a docstring, of a module, a function or an attribute; "<" in {a:<{b}} aligns.
    passed_over = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    specs = [node.format_spec for node in nodes if isinstance(node, ast.FormattedValue)]
    passed_over |= {id(part) for spec in specs if isinstance(spec, ast.JoinedStr) for part in spec.values}
    tags, trusted = [], []
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in passed_over:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if _has_tag(text, is_part=id(node) in parts):
                tags.append(node.lineno)
        elif isinstance(node, ast.Call) and _name(node.func) == "Markup" and not _is_constant(node):
            trusted.append(node.lineno)
    return Found(tags, trusted)


def _has_tag(text: str, *, is_part: bool) -> bool:
    text = GROUP.sub("", text)
    if is_part:
        return bool(TAG.search(text) or text.endswith("<"))
    return bool(TAG.search(text)) and not FORMAT.fullmatch(text)


def _is_constant(call: ast.Call) -> bool:
    return all(isinstance(argument, ast.Constant) for argument in (*call.args, *call.keywords))


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


@pytest.fixture(scope="module")
def sources() -> dict[str, Found]:
    """What there is in each source, by its path from the root."""
    return {
        file.relative_to(ROOT).as_posix(): look(file.read_text(encoding="utf-8"))
        for place in PLACES for file in sorted((ROOT / place).rglob("*.py"))
    }  # fmt: skip


def excepted(name: str) -> str | None:
    """The exception that `name` falls under."""
    return next((place for place in EXCEPTIONS if name == place or name.startswith(f"{place}/")), None)


def test_no_string_has_a_tag_but_in_templates_and_elements(sources):
    found = {f"{name}:{line}" for name, there in sources.items() if not excepted(name) for line in there.tags}
    assert found == set(), "HTML goes into a template (aoi_daemon/markup/templates.py), SVG is made by markup.svg.element"


def test_only_the_makers_of_html_say_that_a_text_is_html(sources):
    found = {
        f"{name}:{line}" for name, there in sources.items()
        if not name.startswith("aoi_daemon/markup/") and not excepted(name) for line in there.trusted
    }  # fmt: skip
    assert found == set(), "Markup(text) of a text that is not constant is escaped by nobody"


def test_every_exception_is_needed(sources):
    needed = {excepted(name) for name, there in sources.items() if there.tags or there.trusted}
    assert set(EXCEPTIONS) - needed == set()


def test_no_template_lets_text_through_as_it_is():
    templates = [*ROOT.glob("aoi_daemon/**/templates/**/*.html"), *ROOT.glob("tools/**/templates/**/*.html")]
    assert templates
    through = re.compile(r"\|\s*safe\b|\bautoescape\s+false|\bMarkup\b")
    assert {file.relative_to(ROOT).as_posix() for file in templates if through.search(file.read_text(encoding="utf-8"))} == set()


@pytest.mark.parametrize(
    "source",
    [
        'x = "<td>"', "x = f'<td>{x}'", "x = f'a{x}</td>'", "x = b'<br>'", "x = f'<{name}>'", 'x = "a" "<p class=" + y',
        "def f():\n    '''Says <p>.'''\n    return '<p>'", "x = '<b'  + y", "x = f'<u2{x}'", "x = {'k': ['</i>']}", "f(html='<i>')",
        "x: Final = '''\n<svg>'''",
    ],
)  # fmt: skip
def test_a_tag_is_found_wherever_it_is_put_together(source):
    assert look(source).tags


@pytest.mark.parametrize(
    "source",
    [
        "'''Of <p> and </p>.'''", "class A:\n    '''Of <p>.'''\n    x = 1\n    '''Of <i>.'''", "x = '<u2'", "x = Struct('<qH16s')",
        "x = r'(?P<name>.)(?<!a)'", "x = f'{a} < {b}'", "x = a < b", "x = '1 <2'", "# <p>", "x = f'<= {b}'", "x = f'{a:<5}{a:<{b}}'",
        "x = '<!-- begin -->'", "x = '<'",
    ],
)  # fmt: skip
def test_what_is_no_tag_is_not_taken_for_one(source):
    assert look(source).tags == []


def test_text_that_is_called_html_is_found():
    assert look("x = Markup(text)").trusted == look("x = markupsafe.Markup(f'{text}')").trusted == [1]
    assert look("x = Markup()\ny = Markup('').join(z)\ndef f() -> Markup: ...").trusted == []
