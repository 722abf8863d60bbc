"""Where a webhook is: the grammar of its URL, and how much of it may be shown. Pure.

The path of a webhook is often all that its secret is: of a URL nothing but scheme, host and port is ever shown.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NamedTuple

from pydantic import AfterValidator

from aoi_daemon.config.host import split_port

_OWN_PORT: Final = {"http": 80, "https": 443}
_MOST: Final = 2048
_LONG: Final = 16


class Weblink(NamedTuple):
    """A URL in its parts; `path` is what the request asks for, with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """What may be shown of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port != _OWN_PORT[self.scheme] else "")


def parse_weblink(text: str) -> Weblink:
    """The parts of `text`. Raises ValueError, which shows nothing of its path."""
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    if not found or scheme not in _OWN_PORT:
        raise ValueError("is no URL that begins with https:// or http://")
    if len(text) > _MOST:
        raise ValueError(f"has {len(text)} characters, of at most {_MOST}")
    if re.search(r"[^\x21-\x7e]", text):
        raise ValueError("has a blank, a control character or one that is not ASCII in it; write it as %XX")
    where, path = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in where:
        raise ValueError("has a user or a password in it; put the token into a file of its own: token_file")
    if "#" in path:
        raise ValueError("has a # in it, and what follows is never sent; leave it out")
    host, port = split_port(where)
    return Weblink(scheme, host, int(port or _OWN_PORT[scheme]), path if path.startswith("/") else f"/{path}")


def _plain(text: str) -> str:
    """For line.toml, which many may read: a URL without a secret in it."""
    link = parse_weblink(text)
    path, _, query = link.path.partition("?")
    if query or any(_is_secret(step) for step in path.split("/")):
        raise ValueError(
            f"{link.shown}/...: looks as if it has a secret in it, and this file may be read by many; "
            "write the URL into a file of its own (chmod 600) and name that: url_file"
        )
    return text


def _is_secret(step: str) -> bool:
    return len(step) >= _LONG and re.search(r"[0-9]", step) is not None and re.search(r"[A-Za-z]", step) is not None


Url = Annotated[str, AfterValidator(_plain)]
"""A URL that may be shown."""
