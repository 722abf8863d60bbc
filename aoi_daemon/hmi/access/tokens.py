"""Tokens that read the records by the API, and nothing else: the file tokens.toml, beside line.toml, mode 0600.

Only a hash is kept. A token has 256 random bits, so a plain SHA-256 of it is as good as a slow one: there is nothing to
guess. Which one it is, is asked of all of them, each in the same time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import ConfigError
from aoi_daemon.hmi.access import kept_file
from aoi_daemon.hmi.access.kept_file import KeptFile, read_tables
from aoi_daemon.hmi.access.users import folded, name_problem

MAX_TOKENS: Final = 100
_PREFIX: Final = "aoi_"
"""What scanners for secrets that were published know it by."""
_BYTES: Final = 32
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_HEAD: Final = "# Tokens of the page's API. Kept by `aoi-daemon token add | remove | list`; mode 0600.\n"

Tokens = Mapping[str, str]
"""The hash of each, by its name."""


def new_token() -> str:
    """A token, which is shown once and never kept."""
    return f"{_PREFIX}{secrets.token_urlsafe(_BYTES)}"


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def name_of(token: str, tokens: Tokens) -> str | None:
    """The name of `token`; None: it is none of `tokens`. As long for each that there is."""
    presented, found = hash_of(token), None
    for name, kept in tokens.items():
        if hmac.compare_digest(presented, kept):
            found = name
    return found


class TokenFile(KeptFile[Tokens]):
    """The file at `path`. A file that is not there is one without tokens."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, {})

    def _read(self) -> Tokens:
        return read_tokens(self.path)


def read_tokens(path: Path) -> dict[str, str]:
    """The tokens in the file at `path`; none when it is not there.

    Raises:
        ConfigError: naming file and key. What is kept of a token is never quoted.
    """
    tables = read_tables(path)
    problems = [f"{key}: unknown key; tokens are [tokens]" for key in tables if key != "tokens"]
    section = tables.get("tokens", {})
    if not isinstance(section, dict):
        raise ConfigError(path, [*problems, "tokens: must be a table of names"])
    for name, kept in section.items():
        problems += [f"tokens.{problem}" for problem in _wrong(name, kept)]
    if len({folded(name) for name in section}) < len(section):
        problems.append("tokens: two of one name")
    if len(section) > MAX_TOKENS:
        problems.append(f"tokens: {len(section)} of them, at most {MAX_TOKENS} are taken")
    if problems:
        raise ConfigError(path, problems)
    return dict(section)


def _wrong(name: str, kept: Any) -> list[str]:
    problem = name_problem(name)
    if problem is not None:
        return [problem]
    if not isinstance(kept, str) or not _HASH.fullmatch(kept):
        return [f"{name}: is not what `aoi-daemon token add` writes; remove it and add it again"]
    return []


def change_tokens(
    path: Path, change: Callable[[dict[str, str]], None], owner: kept_file.Owner | None = None
) -> None:
    """Read, `change`, and write completely or not at all; as `change_users`. Raises ConfigError."""

    def made() -> str:
        tokens = read_tokens(path)
        change(tokens)
        if len(tokens) > MAX_TOKENS:
            raise ConfigError(path, [f"has {MAX_TOKENS} tokens already, and takes no more"])
        lines = "".join(f'"{name}" = "{kept}"\n' for name, kept in sorted(tokens.items()))
        return f"{_HEAD}\n[tokens]\n{lines}"

    kept_file.change(path, made, owner)
