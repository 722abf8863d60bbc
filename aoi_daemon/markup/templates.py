"""Jinja templates: each package keeps its own in a folder `templates`; whatever they are given is escaped.

Only `Markup`, which is what a template or `markup.svg` has made, goes through as it is.
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@cache
def environment(package: str) -> Environment:
    """The templates of `package` ("aoi_daemon.hmi"), compiled once."""
    return Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        # A name that nothing was given for is a fault of ours, not an empty place on the page.
        undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip


def render(package: str, template: str, **values: object) -> Markup:
    """`template` ("overview.html") of `package` with `values`.

    Raises:
        jinja2.TemplateNotFound: there is no such file.
        jinja2.UndefinedError: it names what `values` does not hold.
    """
    return Markup(environment(package).get_template(template).render(values))
