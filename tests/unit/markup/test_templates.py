"""markup/templates.py: what a template is given is escaped; a name it was not given is a fault."""

import sys

import pytest
from jinja2 import UndefinedError

from aoi_daemon.markup.templates import render


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "shown_here"
    (folder / "templates").mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "templates/one.html").write_text("<p>{{ name }}</p>")
    monkeypatch.syspath_prepend(tmp_path)
    yield "shown_here"
    sys.modules.pop("shown_here", None)


def test_what_it_is_given_is_escaped_once(package):
    assert render(package, "one.html", name="<script>") == "<p>&lt;script&gt;</p>"
    assert render(package, "one.html", name=render(package, "one.html", name="a")) == "<p><p>a</p></p>"


def test_a_name_without_a_value_is_a_fault(package):
    with pytest.raises(UndefinedError, match="name"):
        render(package, "one.html")
