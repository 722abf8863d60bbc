"""Who may use the page: the file users.toml, its reading and its writing.

The file is read again whenever it has changed, so that `aoi-daemon user` needs
no reload: a user whose entry changes is logged out, one who is removed too.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import ConfigError
from aoi_daemon.hmi.access import kept_file
from aoi_daemon.hmi.access.kept_file import KeptFile, read_tables
from aoi_daemon.hmi.access.password import take_apart

MAX_USERS: Final = 500
_NAME: Final = re.compile(r"[^\W_][\w.-]{0,31}")
_HEAD: Final = "# Users of the page. Kept by `aoi-daemon user add | remove | list | password`; mode 0600.\n"


class Role(enum.Enum):
    """What a user is on the line; `access.PERMISSIONS` says what each may do."""

    OPERATOR = "operator"
    QUALITY = "quality"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class User:
    """One user; `password` as `users_password.keep` makes it."""

    name: str
    role: Role
    password: str = field(repr=False)

    @property
    def by(self) -> str:
        """How the audit names this user."""
        return f"{self.name} ({self.role.value})"


Users = Mapping[str, User]
"""Users by `folded` name."""


def folded(name: str) -> str:
    """What `name` is found by: no difference between Anna and anna, however it was typed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


def name_problem(name: str) -> str | None:
    """Why `name` cannot be a user's; None: it can."""
    if _NAME.fullmatch(unicodedata.normalize("NFC", name)):
        return None
    return f"name {name!r}: 1 to 32 letters, digits, '.', '-' and '_', a letter or digit first"


class UserFile(KeptFile[Users]):
    """The file at `path`. A file that is not there is one without users."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, {})

    def _read(self) -> Users:
        return read_users(self.path)

    def users(self) -> Users:
        """The users as the file has them now; one `stat` when it has not changed.

        Raises:
            ConfigError: it is wrong, or others can read it; nobody is a user then.
        """
        return self.now()


def read_users(path: Path) -> dict[str, User]:
    """The users in the file at `path`; none when it is not there.

    Raises:
        ConfigError: naming file and key. What is kept of a password is never quoted.
    """
    return _users_in(path, read_tables(path))


def _users_in(path: Path, tables: dict[str, Any]) -> dict[str, User]:
    problems = [f"{key}: unknown key; users are [users.NAME]" for key in tables if key != "users"]
    section = tables.get("users", {})
    if not isinstance(section, dict):
        raise ConfigError(path, [*problems, "users: must be tables [users.NAME]"])
    found: dict[str, User] = {}
    for name, table in section.items():
        user, wrong = _user_in(name, table)
        if user is not None and folded(name) in found:
            wrong.append(f"users.{name}: there is a user {found[folded(name)].name!r} already")
        problems += wrong
        if user is not None:
            found[folded(name)] = user
    if len(found) > MAX_USERS:
        problems.append(f"users: {len(found)} of them, at most {MAX_USERS} are taken")
    if problems:
        raise ConfigError(path, problems)
    return found


def _user_in(name: str, table: object) -> tuple[User | None, list[str]]:
    if not isinstance(table, dict):
        return None, [f"users.{name}: must be a table with role and password"]
    wrong = [f"users.{name}.{key}: unknown key" for key in table if key not in ("role", "password")]
    problem = name_problem(name)
    if problem is not None:
        wrong.append(f"users.{name}: {problem}")
    roles = [role.value for role in Role]
    if table.get("role") not in roles:
        wrong.append(f"users.{name}.role = {table.get('role')!r}: must be one of {', '.join(roles)}")
    try:
        take_apart(str(table.get("password", "")))
    except ValueError as error:
        wrong.append(f"users.{name}.password: {error}")
    if wrong:
        return None, wrong
    return User(name, Role(table["role"]), table["password"]), []


def change_users(path: Path, change: Callable[[dict[str, User]], None], owner: tuple[int, int] | None = None) -> None:
    """Read, `change`, and write completely or not at all; one at a time, however many do so at once.

    `owner` (user id, group id) is whose a new file is; one that is there keeps its own.

    Raises:
        ConfigError: the file is wrong, or cannot be written.
    """

    def made() -> str:
        users = read_users(path)
        change(users)
        if len(users) > MAX_USERS:
            raise ConfigError(path, [f"has {MAX_USERS} users already, and takes no more"])
        return as_toml(users)

    kept_file.change(path, made, owner)


def as_toml(users: Users) -> str:
    """The file's text. Names and passwords hold nothing that a quoted TOML key or string would need escaped."""
    tables = [
        f'\n[users."{user.name}"]\nrole = "{user.role.value}"\npassword = "{user.password}"\n'
        for _, user in sorted(users.items())
    ]
    return _HEAD + "".join(tables)
