"""`aoi-daemon init`: a folder with all that a line needs, to start from: the demo's product on replayed boards."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aoi_daemon.kit.files import shipped
from aoi_daemon.kit.install import copy_new

_EXAMPLES: Final = """examples:
  aoi-daemon init line-3                 a new folder, or an empty one
  aoi-daemon init . --add                a folder with files in it: those that are there stay as they are

exit codes: 0 done; 1 it could not be written; 2 the folder is not empty, or the command line is wrong.
"""
_NEXT: Final = """{folder}:
  line.toml        the line: camera, PLC, times; here it replays boards and has its PLC on this machine
  recipes/         a product each: {recipes}, with golden parts that prove it before READY
  bundles/         the model of the demo's boards, with its report

Next:
  aoi-daemon check-config --config {file}
  aoi-daemon simulate-plc                        in a terminal of its own: a PLC to try it with
  aoi-daemon run --config {file}
  aoi-daemon status --config {file}    in a third one

Then line.toml: your camera and PLC (what is off is in it as a comment), and your own product:
  aoi-daemon bundle make --help    aoi-daemon golden add --help    aoi-daemon plc-program --help
As a service: aoi-daemon install --help"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="aoi-daemon init", description="Makes a folder with line.toml, a product, its model and its golden parts.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("folder", type=Path, metavar="DIR", help="is made; must be empty if it is there")
    made.add_argument("--add", action="store_true", help="DIR may have files in it; none of them is changed")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folder; the exit code."""
    options = parser().parse_args(argv)
    folder: Path = options.folder
    try:
        if folder.is_symlink() and not folder.exists():
            print(f"aoi-daemon init: {folder}: is a link that leads nowhere; name a folder", file=sys.stderr)
            return 2
        if folder.exists() and not folder.is_dir():
            print(f"aoi-daemon init: {folder}: is a file; name a folder", file=sys.stderr)
            return 2
        if folder.is_dir() and list(folder.iterdir()) and not options.add:
            remedy = "name a new folder, or --add, which leaves its files as they are"
            print(f"aoi-daemon init: {folder}: is not empty; {remedy}", file=sys.stderr)
            return 2
        if os.path.lexists(folder / "line.toml"):
            print(f"aoi-daemon init: {folder / 'line.toml'}: is there, and stays as it is", file=sys.stderr)
        copy_new(shipped("config"), folder)
        recipes = ", ".join(sorted(path.name for path in (folder / "recipes").glob("*.toml")))
    except OSError as error:
        print(f"aoi-daemon init: {error.filename or folder}: {error.strerror}", file=sys.stderr)
        return 1
    print(_NEXT.format(folder=folder, recipes=recipes, file=shlex.quote(str(folder / "line.toml"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
