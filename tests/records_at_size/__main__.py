"""Records of any size: made, and every page, export and start on them measured.

    python -m tests.records_at_size make --parts 10000000 FOLDER      # minutes, 4 GB
    python -m tests.records_at_size measure FOLDER                    # minutes; a table, and --json FILE
    python -m tests.records_at_size make --parts 10000000 --version 1 FOLDER
    python -m tests.records_at_size forward FOLDER                    # a recorder on records of version 1
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

PIECES = ("recorder", "pages", "exports", "searches")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.records_at_size", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("make", help="write a line's folder with records in it")
    made.add_argument("--parts", type=int, default=1_000_000, help="how many (default 1000000)")
    made.add_argument("--version", type=int, choices=(1,), help="of the schema; default: today's")
    measured = commands.add_parser("measure", help="ask the page for every route, export, start the recorder")
    measured.add_argument("--json", type=Path, help="write the figures there, too")
    measured.add_argument("--only", choices=PIECES, action="append", help="one piece; may be given again")
    forward = commands.add_parser("forward", help="start a recorder on records of an older version, and feed it parts")
    for each in (made, measured, forward):
        each.add_argument("folder", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.command == "make":
        from tests.records_at_size.make import make

        if arguments.parts < 1:
            parser.error(f"--parts {arguments.parts}: at least 1")
        if (arguments.folder / "records").exists():
            parser.error(f"{arguments.folder}: has records already; name a folder that has none")
        began_s = time.monotonic()
        records = make(arguments.folder, arguments.parts, until=time.time(), version=arguments.version)
        size = (records / "records.sqlite").stat().st_size
        sys.stdout.write(f"{records}: {arguments.parts} parts, {size / 1e9:.2f} GB, {time.monotonic() - began_s:.0f} s\n")
        return 0
    if not (arguments.folder / "records").is_dir():
        parser.error(f"{arguments.folder}: has no records; `make` writes some")
    if arguments.command == "forward":
        from tests.records_at_size.forward import forward as bring_forward

        return bring_forward(arguments.folder)
    from tests.records_at_size.measure import measure

    return measure(arguments.folder, arguments.json, arguments.only or PIECES)


if __name__ == "__main__":
    sys.exit(main())
