"""The commands `aoi-daemon backup` and `aoi-daemon restore`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done; 1 the disk is full or does not take it; 2 the command line, a file or a folder is wrong; 130
interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, Final

from aoi_daemon.backup.faults import BackupError
from aoi_daemon.files.offline import run_offline

_BACKUP_EXAMPLES: Final = """examples:
  aoi-daemon backup /mnt/usb/line-3                       everything, while the line runs
  aoi-daemon backup /mnt/usb/line-3 --records-days 30     the records of the last month
  aoi-daemon backup /mnt/usb/line-3 --without records     configuration, users, bundles, product in use

It holds line.toml, recipes with their golden parts, bundles, users, certificates and whatever else these files name,
the product in use, and the records with their pictures. Camera drivers and systemd credentials are each PC's own.
Users' password hashes and private keys are in it: the folder is for its owner alone, keep it so.
Interrupted, the same command goes on with it. Incomplete, it is called .NAME.incomplete, and is not restored.
"""
_RESTORE_EXAMPLES: Final = """examples:
  aoi-daemon restore /mnt/usb/line-3                      onto a new PC: /etc/aoi-daemon, /var/lib/aoi-daemon
  aoi-daemon restore /mnt/usb/line-3 --replace            in place of what is there, which is kept beside
  aoi-daemon restore /mnt/usb/line-3 --into /tmp/look     to look at: all of it in one folder

Every file is checked by its hash before anything is touched. What lay outside line.toml's folder (a bundle in /srv,
say) goes into it, and the key that names it is changed, which is told; other lines of the files stay as they are.
"""


def add_parsers(commands: Any) -> None:
    """Add `backup` and `restore` to the subcommands of the command line."""
    backup = commands.add_parser(
        "backup", help="take the line, its users and records to another PC or disk", epilog=_BACKUP_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    backup.add_argument("out", type=Path, metavar="DIR", help="where to; a folder that is not there yet")
    backup.add_argument(
        "--config", type=Path, default=Path("/etc/aoi-daemon/line.toml"), metavar="FILE",
        help="line.toml (default: %(default)s)",
    )  # fmt: skip
    backup.add_argument(
        "--without", action="append", default=[], choices=("records", "pictures", "replay"),
        help="leave out the records with their pictures, the pictures alone, or the images of a replay camera",
    )  # fmt: skip
    backup.add_argument(
        "--records-days", type=_positive, metavar="N", help="records of the N days before the newest, and reviewed ones"
    )
    backup.add_argument(
        "--state", type=Path, metavar="FILE", help="the file that keeps the product in use, where it is not found"
    )
    backup.add_argument("--mb-per-s", type=_positive, default=40.0, metavar="N", help="at most (default: %(default)g)")
    backup.add_argument("--anew", action="store_true", help="do not go on with an interrupted one")
    restore = commands.add_parser(
        "restore", help="put a backup in place, on this PC or another one", epilog=_RESTORE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    restore.add_argument("backup", type=Path, metavar="DIR", help="the backup")
    restore.add_argument(
        "--into", type=Path, metavar="FOLDER", help="the folder of line.toml (default: /etc/aoi-daemon)"
    )
    restore.add_argument(
        "--data", type=Path, metavar="FOLDER",
        help="for records and product in use (default: /var/lib/aoi-daemon; with --into the same folder)",
    )  # fmt: skip
    restore.add_argument(
        "--replace", action="store_true",
        help="put it in the place of what is there, which is kept as NAME.before-restore-1",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    from aoi_daemon.errors import ConfigError  # noqa: PLC0415

    try:
        return _backup(arguments) if arguments.command == "backup" else _restore(arguments)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
    except (BackupError, ValueError) as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
    return 2


def _backup(arguments: argparse.Namespace) -> int:
    from aoi_daemon.backup.contents import Wanted  # noqa: PLC0415
    from aoi_daemon.backup.make import make_backup, partial_of  # noqa: PLC0415

    os.nice(19)
    wanted = Wanted(
        arguments.config, arguments.out, state=arguments.state, without=frozenset(arguments.without),
        records_days=arguments.records_days, mb_per_s=arguments.mb_per_s, anew=arguments.anew,
    )  # fmt: skip
    try:
        made = make_backup(wanted)
    except (OSError, KeyboardInterrupt):
        partial = partial_of(wanted.out.absolute())
        if partial.is_dir():
            sys.stderr.write(f"aoi-daemon: incomplete, kept as {partial}: the same command goes on with it\n")
        raise
    size = sum(each.size_bytes for each in made.files)
    sys.stdout.write(f"{arguments.out}: {len(made.files)} files, {size / 1e6:,.1f} MB, of {made.line}\n")
    for left in made.left_out:
        sys.stdout.write(f"left out: {left}\n")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    from aoi_daemon.backup.refusals import Wanted  # noqa: PLC0415
    from aoi_daemon.backup.restore import restore  # noqa: PLC0415
    from aoi_daemon.backup.state import SERVICE_CONFIG, SERVICE_DATA  # noqa: PLC0415

    into = arguments.into or SERVICE_CONFIG
    data = arguments.data or (arguments.into or SERVICE_DATA)
    to_config, to_data = (Path(os.path.normpath(folder.absolute())) for folder in (into, data))
    done = restore(Wanted(arguments.backup, to_config, to_data, replace=arguments.replace))
    made = done.manifest
    sys.stdout.write(f"{into}: {made.line} as it was at {made.made}, {len(made.files)} files\n")
    for left in made.left_out:
        sys.stdout.write(f"not in the backup: {left}\n")
    for changed in done.changed:
        sys.stdout.write(f"changed: {changed}\n")
    for kept in done.kept:
        sys.stdout.write(f"kept: {kept}\n")
    for note in done.notes:
        sys.stdout.write(f"note: {note}\n")
    sys.stdout.write(f"next: aoi-daemon check-config --config {into / 'line.toml'}\n")
    return 0


def _positive(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return found
