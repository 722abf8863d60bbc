"""Whether the file that a command is to write can be written: asked before minutes of work, not after them."""

from __future__ import annotations

import argparse
from pathlib import Path


def check_report(parser: argparse.ArgumentParser, option: str, file: Path | None) -> None:
    """End the command by `parser.error` where the file that `option` names could not be written; None: none is."""
    if file is None:
        return
    if file.is_dir():
        parser.error(f"{option} {file}: is a folder; name a file")
    if not file.resolve().parent.is_dir():
        parser.error(f"{option} {file}: its folder does not exist")
