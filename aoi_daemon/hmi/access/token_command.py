"""The commands `aoi-daemon token add | remove | list`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done; 1 not done (there is no such token, there is one already); 2 the command line or the file is wrong.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

from aoi_daemon.errors import AoiError, ConfigError
from aoi_daemon.hmi.access.command import service_owner

_EXAMPLES: Final = """examples:
  aoi-daemon token add mes                  prints the token, once: only a hash of it is kept
  aoi-daemon token add mes --config config/line.toml
  aoi-daemon token list
  aoi-daemon token remove mes               ends it at once

A token reads the records by the page's API, and does nothing else:
  curl -H "Authorization: Bearer aoi_..." http://127.0.0.1:8080/api/v1/parts
"""
_AUDIT_S: Final = 5.0


def add_parsers(commands: Any) -> None:
    """Add `token` to the subcommands of the command line."""
    top = commands.add_parser(
        "token", help="which programs may read the records by the page's API", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    texts = {"add": "a new token", "remove": "a token no longer", "list": "the names of all tokens"}
    for name, help_text in texts.items():
        action = actions.add_parser(
            name, help=help_text, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name != "list":
            action.add_argument("name", metavar="NAME", help="letters, digits, '.', '-' and '_': who has it")
        action.add_argument(
            "--config", type=Path, default=Path("/etc/aoi-daemon/line.toml"), metavar="FILE",
            help="line.toml, beside which the tokens are (default: %(default)s)",
        )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    from aoi_daemon.config.hmi import TOKENS_FILE  # noqa: PLC0415

    config = Path(arguments.config)
    file = config.parent / TOKENS_FILE
    try:
        if not config.is_file():
            raise ConfigError(config, ["no such file; --config names line.toml"])
        return {"add": _add, "remove": _remove, "list": _list}[arguments.action](arguments, file)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 1


def _add(arguments: argparse.Namespace, file: Path) -> int:
    from aoi_daemon.hmi.access.tokens import change_tokens, hash_of, new_token  # noqa: PLC0415
    from aoi_daemon.hmi.access.users import folded, name_problem  # noqa: PLC0415

    problem = name_problem(arguments.name)
    if problem is not None:
        sys.stderr.write(f"aoi-daemon: {problem}\n")
        return 2
    token = new_token()

    def add(tokens: dict[str, str]) -> None:
        if any(folded(name) == folded(arguments.name) for name in tokens):
            raise AoiError(f"{file}: there is a token {arguments.name!r}; remove it first, which ends it")
        tokens[arguments.name] = hash_of(token)

    change_tokens(file, add, service_owner())
    sys.stderr.write(f"{arguments.name}: added to {file}. This is shown once, keep it where others do not read it:\n")
    sys.stdout.write(f"{token}\n")
    _tell(arguments, f"added {arguments.name}")
    return 0


def _remove(arguments: argparse.Namespace, file: Path) -> int:
    from aoi_daemon.hmi.access.tokens import change_tokens  # noqa: PLC0415

    def remove(tokens: dict[str, str]) -> None:
        if arguments.name not in tokens:
            there = ", ".join(sorted(tokens)) or "none"
            raise AoiError(f"{file}: there is no token {arguments.name!r} (there: {there})")
        del tokens[arguments.name]

    change_tokens(file, remove, service_owner())
    sys.stdout.write(f"{arguments.name}: removed from {file}; it ends at once\n")
    _tell(arguments, f"removed {arguments.name}")
    return 0


def _list(_arguments: argparse.Namespace, file: Path) -> int:
    from aoi_daemon.hmi.access.tokens import read_tokens  # noqa: PLC0415

    tokens = sorted(read_tokens(file))
    sys.stdout.write("".join(f"{name}\n" for name in tokens))
    if not tokens:
        sys.stderr.write(f"{file}: there is no token yet\n")
    return 0


def _tell(arguments: argparse.Namespace, detail: str) -> None:
    """To the audit of the line that runs; where none does, that it is not there."""
    from aoi_daemon.stage.control import request  # noqa: PLC0415
    from aoi_daemon.stage.control_path import find_socket  # noqa: PLC0415

    try:
        socket = find_socket(None, arguments.config, arguments.config)
        # Who did it the daemon sees for itself.
        answer, _ = request(socket, {"do": "audit", "what": "token", "ok": True, "detail": detail}, _AUDIT_S)
        problem = "" if answer.get("ok") else str(answer.get("error"))
    except (AoiError, OSError, KeyError) as error:
        problem = str(error)
    if problem:
        sys.stderr.write(f"note: this is not in the audit, as the daemon did not take it: {problem}\n")
