"""The commands `aoi-daemon user add | remove | list | password`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done; 1 not done (the password is refused, there is no such user, there is one already);
2 the command line or the file is wrong.
"""

from __future__ import annotations

import argparse
import getpass
import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aoi_daemon.errors import AoiError, ConfigError

if TYPE_CHECKING:
    from aoi_daemon.hmi.access.users import User

ROLES: Final = ("operator", "quality", "maintenance")
SERVICE_USER: Final = "aoi"
"""Whom a new file is given to when root makes it, where there is such a user: who runs the service must read it."""

_EXAMPLES: Final = """examples:
  aoi-daemon user add anna --role maintenance         asks for the password
  aoi-daemon user add leo --role operator --config config/line.toml
  aoi-daemon user password anna                       a new password; ends this user's logins
  aoi-daemon user list
  aoi-daemon user remove leo                          ends this user's logins too

roles: operator (alarms, reset, reviews), quality (also export), maintenance (everything)
The running page takes a changed file at once. A password has at least 15 characters; several words make a good one.
"""


def add_parsers(commands: Any) -> None:
    """Add `user` to the subcommands of the command line."""
    top = commands.add_parser(
        "user", help="who may log in to the page", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, help_text in (
        ("add", "a new user"),
        ("remove", "a user no longer"),
        ("list", "all users and their roles"),
        ("password", "a new password"),
    ):
        action = actions.add_parser(
            name, help=help_text, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name != "list":
            action.add_argument("name", metavar="NAME", help="letters, digits, '.', '-' and '_'")
        if name == "add":
            action.add_argument("--role", required=True, choices=ROLES, help="what the user may do")
        if name in ("add", "password"):
            action.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        where = action.add_mutually_exclusive_group()
        where.add_argument(
            "--config", type=Path, default=Path("/etc/aoi-daemon/line.toml"), metavar="FILE",
            help="line.toml, whose [hmi] says where the users are (default: %(default)s)",
        )  # fmt: skip
        where.add_argument("--file", type=Path, metavar="FILE", help="the file of users itself")


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    try:
        file = _users_file(arguments)
        act = {"add": _add, "remove": _remove, "list": _list, "password": _password}[arguments.action]
        return act(arguments, file)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 1
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("\naoi-daemon: nothing was changed\n")
        return 1


def _users_file(arguments: argparse.Namespace) -> Path:
    if arguments.file is not None:
        return Path(arguments.file)
    from aoi_daemon.config.hmi import HmiSection  # noqa: PLC0415
    from aoi_daemon.config.load import read_model  # noqa: PLC0415
    from aoi_daemon.config.schema import LineConfig  # noqa: PLC0415

    config = Path(arguments.config)
    return (read_model(config, LineConfig).hmi or HmiSection()).users_file(config.parent)


def _add(arguments: argparse.Namespace, file: Path) -> int:
    from aoi_daemon.hmi.access.password import keep  # noqa: PLC0415
    from aoi_daemon.hmi.access.users import Role, User, change_users, folded, name_problem, read_users  # noqa: PLC0415

    problem = name_problem(arguments.name)
    if problem is not None:
        sys.stderr.write(f"aoi-daemon: {problem}\n")
        return 2

    def refuse_second(users: dict[str, User]) -> None:
        if folded(arguments.name) in users:
            name = users[folded(arguments.name)].name
            raise AoiError(f"{file}: there is a user {name!r}; `aoi-daemon user password` sets a new password")

    # Before the password is asked for, too: nobody likes to type it twice for nothing.
    refuse_second(read_users(file))
    kept = keep(_asked(arguments))

    def add(users: dict[str, User]) -> None:
        refuse_second(users)
        users[folded(arguments.name)] = User(arguments.name, Role(arguments.role), kept)

    change_users(file, add, service_owner())
    sys.stdout.write(f"{arguments.name}: added as {arguments.role} to {file}\n")
    return 0


def _password(arguments: argparse.Namespace, file: Path) -> int:
    from dataclasses import replace  # noqa: PLC0415

    from aoi_daemon.hmi.access.password import keep  # noqa: PLC0415
    from aoi_daemon.hmi.access.users import change_users, read_users  # noqa: PLC0415

    _known(arguments.name, file)(read_users(file))
    kept = keep(_asked(arguments))

    def change(users: dict[str, User]) -> None:
        key = _known(arguments.name, file)(users)
        users[key] = replace(users[key], password=kept)

    change_users(file, change, service_owner())
    sys.stdout.write(f"{arguments.name}: new password; logins with the old one have ended\n")
    return 0


def _remove(arguments: argparse.Namespace, file: Path) -> int:
    from aoi_daemon.hmi.access.users import change_users  # noqa: PLC0415

    def remove(users: dict[str, User]) -> None:
        del users[_known(arguments.name, file)(users)]

    change_users(file, remove, service_owner())
    sys.stdout.write(f"{arguments.name}: removed from {file}; logins have ended\n")
    return 0


def _list(_arguments: argparse.Namespace, file: Path) -> int:
    from aoi_daemon.hmi.access.users import read_users  # noqa: PLC0415

    users = sorted(read_users(file).values(), key=lambda user: user.name)
    for user in users:
        sys.stdout.write(f"{user.name:<32} {user.role.value}\n")
    if not users:
        sys.stderr.write(f"{file}: there is no user yet\n")
    return 0


def _known(name: str, file: Path) -> Callable[[dict[str, User]], str]:
    from aoi_daemon.hmi.access.users import folded  # noqa: PLC0415

    def key(users: dict[str, User]) -> str:
        if folded(name) not in users:
            there = ", ".join(sorted(user.name for user in users.values())) or "nobody"
            raise AoiError(f"{file}: there is no user {name!r} (there: {there})")
        return folded(name)

    return key


def _asked(arguments: argparse.Namespace) -> str:
    from aoi_daemon.hmi.access.password import MAX_CHARACTERS, refusal  # noqa: PLC0415

    if arguments.password_stdin:
        password = sys.stdin.readline(4 * MAX_CHARACTERS).rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise AoiError("there is no terminal to ask for the password at; give --password-stdin")
    else:
        password = getpass.getpass(f"Password for {arguments.name}: ")
    problem = refusal(password, arguments.name)
    if problem is not None:
        raise AoiError(f"the password {problem}")
    if not arguments.password_stdin and getpass.getpass("Once more: ") != password:
        raise AoiError("the two passwords differ; nothing was changed")
    return password


def service_owner() -> tuple[int, int] | None:
    """(user id, group id) whom a new file is given to: the service's, where root makes it and there is such a user."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid
