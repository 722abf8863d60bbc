"""Elements of SVG pictures: the one place outside the templates where a tag is written; text and values are escaped."""

from __future__ import annotations

from functools import cache
from html import escape as quoted
from typing import Final

from markupsafe import Markup, escape

_NUMBER: Final = "{:.6g}"


def element(name: str, *children: object, **attributes: object) -> Markup:
    """One element: `element("text", "a < b", x=1.5, text_anchor="end")`.

    Args:
        name: the tag, a constant of ours.
        children: text, which is escaped, or elements.
        attributes: by name; `_` is `-`, one at the end falls away (`class_`); None and False leave it out, True writes
            the name alone as its value; a float has six digits.
    """
    given = [(key, value) for key, value in attributes.items() if value is not None and value is not False]
    written = "".join([f' {_key(key)}="{_value(key, value)}"' for key, value in given])
    inside = "".join([_child(child) for child in children])
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


@cache
def _key(key: str) -> str:
    return key.rstrip("_").replace("_", "-") if key != "viewBox" else key


def _child(child: object) -> str:
    # Asked for its type, an element costs a tenth of what asking it for its own HTML does; charts have many.
    return child if type(child) is Markup else escape(child)


def _value(key: str, value: object) -> str:
    # Of a chart's values nearly all are numbers or short texts: `markupsafe.escape` costs four times as much.
    if value is True:
        return _key(key)
    if type(value) is Markup:
        return value
    return _NUMBER.format(value) if isinstance(value, float) else quoted(str(value))


def picture(*children: object, width: float, height: float, **attributes: object) -> Markup:
    """A complete `<svg>` with its view box from 0 0; `width` and `height` in its own units."""
    # Without the name space a browser shows no file of its own.
    return element(
        "svg", *children, viewBox=f"0 0 {_NUMBER.format(float(width))} {_NUMBER.format(float(height))}",
        xmlns="http://www.w3.org/2000/svg", **attributes,
    )  # fmt: skip


def join(*parts: object) -> Markup:
    """Elements one behind the other; text among them is escaped."""
    return Markup("").join(escape(part) for part in parts)
