"""The command `aoi-daemon model inspect`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 the file can be taken; 2 it cannot, or the command line is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from typing import TYPE_CHECKING

from aoi_daemon.engine.exports.inspect.arguments import add_parsers
from aoi_daemon.engine.faults import InputError
from aoi_daemon.errors import AoiError, ModelError

if TYPE_CHECKING:
    from aoi_daemon.engine.exports.described import Described
    from aoi_daemon.engine.exports.inspect.needs import Fit

__all__ = ["add_parsers", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Say what the file is; the exit code."""
    try:
        if importlib.util.find_spec("onnx") is None:
            raise InputError("this needs onnx: pip install 'aoi-daemon[engine]'")
        described, found = _looked_at(arguments)
    except AoiError as error:
        if arguments.json:
            from aoi_daemon.engine.exports.inspect.said import refused  # noqa: PLC0415

            sys.stdout.write(json.dumps(refused(arguments.file, str(error))) + "\n")
        else:
            sys.stderr.write(f"aoi-daemon: {error}\n")
        return 2
    from aoi_daemon.engine.exports.inspect.said import Asked, as_object, lines  # noqa: PLC0415

    asked = Asked(arguments.classes, arguments.frame)
    if arguments.json:
        told = as_object(arguments.file, described, found, asked)
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        sys.stdout.write(lines(arguments.file, described, found, asked))
    return 0


def _looked_at(arguments: argparse.Namespace) -> tuple[Described, Fit]:
    from aoi_daemon.engine.exports.inspect.needs import fit, fit_own  # noqa: PLC0415
    from aoi_daemon.engine.exports.recognise import recognise  # noqa: PLC0415

    described = recognise(arguments.file, kind=arguments.task, classes=arguments.classes)
    if described.family != "own":
        return described, fit(described, arguments.file, arguments.classes)
    if {output.name for output in described.outputs} != {"boxes", "scores", "classes"}:
        raise ModelError(
            f"{arguments.file}: is a bundle's model already ({described.kind}); a bundle is made of the export that it "
            "was made from: give that one"
        )
    return described, fit_own(described, arguments.classes)
