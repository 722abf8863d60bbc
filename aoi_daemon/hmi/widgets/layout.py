"""Templates of the page (`hmi/templates`) with what each of them may use: the words of a language, and signs."""

from __future__ import annotations

from markupsafe import Markup

from aoi_daemon.hmi.widgets.symbols import priority_sign, sign
from aoi_daemon.markup.templates import render
from aoi_daemon.texts.words import Words


def lay_out(template: str, words: Words, **values: object) -> Markup:
    """`template` ("cells/counts.html") with `values`; it calls `words`, `sign` and `priority_sign` by these names."""
    return render("aoi_daemon.hmi", template, words=words, sign=sign, priority_sign=priority_sign, **values)
