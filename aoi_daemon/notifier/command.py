"""The commands `aoi-daemon notices test | list`.

Process: offline, with a running daemon or without one. This module is loaded by every command, so it loads nothing
itself before it is run.
Exit codes: 0 done; 1 a test notice was not delivered, or the queue cannot be read; 2 the command line or a file is
wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aoi_daemon.config.notices import NoticesSection, Receiver
    from aoi_daemon.config.schema import LineConfig
    from aoi_daemon.notifier.outcome import Outcome

_EXAMPLES: Final = """examples:
  aoi-daemon notices test                             a test notice to every receiver, now
  aoi-daemon notices test maintenance                 to this one alone
  sudo -u aoi aoi-daemon notices test                 as the service's user, who may read the password files
  aoi-daemon notices list                             what waits to be delivered, and why
"""


def add_parsers(commands: Any) -> None:
    """Add `notices` to the subcommands of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    top = commands.add_parser(
        "notices", help="do mails and webhooks arrive, and what waits?", epilog=_EXAMPLES, formatter_class=raw
    )
    actions = top.add_subparsers(dest="action", required=True, metavar="ACTION")
    test = actions.add_parser(
        "test", help="send a test notice now, and say what came of it", epilog=_EXAMPLES, formatter_class=raw
    )
    test.add_argument("name", nargs="?", metavar="NAME", help="a receiver's name in line.toml (default: each)")
    listed = actions.add_parser("list", help="what waits to be delivered", epilog=_EXAMPLES, formatter_class=raw)
    for action in (test, listed):
        action.add_argument(
            "--config", type=Path, default=Path("/etc/aoi-daemon/line.toml"), metavar="FILE",
            help="line.toml (default: %(default)s)",
        )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code. Raises ConfigError."""
    from aoi_daemon.config.load import read_model  # noqa: PLC0415
    from aoi_daemon.config.schema import LineConfig  # noqa: PLC0415

    line = read_model(arguments.config, LineConfig)
    section = line.notices
    if section is None:
        sys.stderr.write(f"{arguments.config}: has no [notices]; an example: systemd/README.md (Notices to people)\n")
        return 2
    folder = arguments.config.absolute().parent
    if arguments.action == "list":
        return _list(folder / section.folder)
    if arguments.name is not None and arguments.name not in section.receivers:
        there = ", ".join(section.receivers)
        sys.stderr.write(f"{arguments.config}: no receiver is called {arguments.name!r} (there: {there})\n")
        return 2
    wanted = [arguments.name] if arguments.name is not None else list(section.receivers)
    return _test(line, section, folder, [section.receivers[name] for name in wanted])


def _test(line: LineConfig, section: NoticesSection, folder: Path, receivers: list[Receiver]) -> int:
    from aoi_daemon.notifier.main import wording_of  # noqa: PLC0415
    from aoi_daemon.notifier.notice import Kind, Notice  # noqa: PLC0415
    from aoi_daemon.notifier.post import addresses_of, over_the_network  # noqa: PLC0415

    deliver = over_the_network(folder, section.timeout_s)
    wording = wording_of(line, section)
    good = True
    for receiver in receivers:
        notice = Notice(Kind.TEST, receiver.name, time.time())
        outcome = deliver(receiver, notice, addresses_of(receiver), wording)
        good &= not outcome.what
        sys.stdout.write(f"{receiver.name}: {_told(receiver, outcome)}\n")
        if outcome.remedy:
            sys.stdout.write(f"  remedy: {outcome.remedy}\n")
        sys.stdout.flush()
    return 0 if good else 1


def _told(receiver: Receiver, outcome: Outcome) -> str:
    taken = [address for address in outcome.done if address]
    delivered = f"taken{' for ' + ', '.join(taken) if taken else ''} (the server said: {outcome.said})"
    if not outcome.what:
        return delivered
    if outcome.done:
        return f"{delivered}; NOT DELIVERED to the others: {outcome.what}"
    perhaps = "perhaps delivered" if outcome.unsure else "NOT DELIVERED"
    return f"{perhaps}: {outcome.what}"


def _list(folder: Path) -> int:
    from aoi_daemon.notifier.store import FILE, Kept, peek  # noqa: PLC0415

    path, now_s = folder / FILE, time.monotonic()
    try:
        kept = peek(path, now_s) if path.exists() else Kept()
    except OSError as error:
        sys.stderr.write(f"aoi-daemon: {path}: {error.strerror}; try it as root, or as the service's user\n")
        return 1
    if kept is None:
        sys.stderr.write(f"aoi-daemon: {path}: is damaged; the daemon moves it aside at its next start\n")
        return 1
    for entry in kept.entries:
        notice = entry.notice
        written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(notice.at))
        what = f"{notice.receiver}: {notice.kind.value} {notice.alarm}".rstrip()
        why = entry.what or ("under way" if entry.in_flight else "not tried yet")
        perhaps = "; perhaps it has arrived" if entry.unsure else ""
        sys.stdout.write(f"{written}  {what}  {entry.tries} tries  {why}{perhaps}\n")
    held = sum(sum(budget.held.values()) for budget in kept.budgets.values())
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in kept.counts.items())
    sys.stdout.write(f"{len(kept.entries)} wait, {held} are held back; so far: {counts}\n")
    return 0
