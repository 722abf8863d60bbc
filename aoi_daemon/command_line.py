"""The command line of `aoi-daemon`: its commands, their options and examples. Loads nothing that a line needs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aoi_daemon.backup.commands import add_parsers as add_backup_parsers
from aoi_daemon.engine.build.command import add_parser as add_build_parser
from aoi_daemon.engine.calibrate.command import add_parsers as add_calibrate_parsers
from aoi_daemon.engine.commands import add_parsers as add_engine_parsers
from aoi_daemon.engine.exports.inspect.arguments import add_parsers as add_model_parsers
from aoi_daemon.engine.golden_parts.command import add_parsers as add_golden_parsers
from aoi_daemon.engine.measured import add_parser as add_engines_parser
from aoi_daemon.hmi.access.command import add_parsers as add_user_parsers
from aoi_daemon.hmi.access.token_command import add_parsers as add_token_parsers
from aoi_daemon.notifier.command import add_parsers as add_notices_parsers
from aoi_daemon.recorder.commands.clock import add_parser as add_clock_parser
from aoi_daemon.recorder.commands.main import add_parsers as add_recorder_parsers

DEFAULT_CONFIG = Path("/etc/aoi-daemon/line.toml")

_EXAMPLES = """examples:
  aoi-daemon demo                                     boards pass a simulated line on this machine
  aoi-daemon init line-3                              a folder to start from: line.toml, a product, its model
  aoi-daemon check-config --config config/line.toml   is the configuration right?
  aoi-daemon plc-program > aoi.st                     the PLC's program for this line, as structured text
  aoi-daemon run --config config/line.toml            run the line in the foreground
  aoi-daemon status                                   what the line is doing
  aoi-daemon status --json | jq .rejected_for         the same for scripts
  aoi-daemon status --config left/line.toml           of this line, where several run here
  aoi-daemon reload                                   apply changed files, all or nothing
  aoi-daemon recipe 7                                 change over to the product with the id 7, or of that name
  aoi-daemon reset                                    acknowledge alarms, start again after a fault
  aoi-daemon golden add --bad PICTURE --box 1,2,3,4   a part of known verdict, which proves the product
  aoi-daemon model inspect best.onnx                  what an exported model is, and what to do with it
  aoi-daemon bundle make --help                       from an ONNX model to a bundle that proves itself
  aoi-daemon qualify --bundle DIR --boards DIR        how good is a bundle on these boards?
  aoi-daemon engines                                  which back end and precision is the fastest here?
  aoi-daemon calibrate measure frame.png              px per mm and distortion, by a printed target
  aoi-daemon export --format csv --out parts.csv      what became of the parts
  aoi-daemon user add anna --role operator            who may act on the page
  aoi-daemon notices test                             do mails and webhooks arrive?
  aoi-daemon clock                                    is the PC's clock believed? confirm it after a jump
  aoi-daemon replay --from 2026-11-22                 would they be judged the same today?
  aoi-daemon audit verify                             is the record of who did what as it was written?
  aoi-daemon backup /mnt/usb/line-3                   all of it to another disk, while the line runs
  aoi-daemon simulate-plc                             a PLC to try a line with
  sudo /opt/aoi-daemon/bin/aoi-daemon install         as a service of systemd
"""

KIT: Mapping[str, tuple[str, str]] = {
    "demo": ("aoi_daemon.kit.line.demo", "boards pass a simulated line on this machine, and a PLC has their verdicts"),
    "init": ("aoi_daemon.kit.init", "make a folder to start from: line.toml, a product, its model and golden parts"),
    "install": ("aoi_daemon.kit.install", "make it a service of systemd, or take the service away again"),
    "simulate-plc": ("aoi_daemon.kit.simulator.__main__", "a simulated PLC: Modbus/TCP, part tracking, an ejector"),
}
"""By command: the module whose main() takes the rest of the line, and a line of help. Loaded when it is asked for."""


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from aoi_daemon.version import described

        print(f"aoi-daemon {described()}")
        parser.exit()


def _add_plc_program(commands: Any) -> None:
    program = commands.add_parser(
        "plc-program",
        help="the PLC's program for this line, or its map of coils and registers",
        epilog="examples:\n  aoi-daemon plc-program > aoi.st\n"
        "  aoi-daemon plc-program --variant registers > aoi-registers.st   a PLC without coils that can be written\n"
        "  aoi-daemon plc-program --map > aoi-map.csv\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="line.toml (default: %(default)s)"
    )
    which = program.add_mutually_exclusive_group()
    which.add_argument(
        "--variant", choices=("coils", "registers", "both"),
        help="what the program reads (default: coils, with [plc.registers] both)",
    )  # fmt: skip
    which.add_argument("--map", action="store_true", help="the map as CSV instead")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="aoi-daemon",
        description="Real-time automated optical inspection: camera to PLC coil inside the takt.",
        epilog=_EXAMPLES,
        formatter_class=raw,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show version and commit, and end")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, help_text in (
        ("run", "run the line in the foreground (systemd does this)"),
        ("check-config", "validate the files and the bundles they name; nothing is started"),
    ):
        command = commands.add_parser(name, help=help_text, epilog=_epilog(name), formatter_class=raw)
        command.add_argument(
            "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="line.toml (default: %(default)s)"
        )
    _add_plc_program(commands)
    for name, help_text in (
        ("reload", "apply the changed files to the running line, all or nothing"),
        ("status", "what the running line is doing; exit 1 when it is not READY"),
        ("recipe", "change over to another product; the one in use stays where it is refused"),
        ("reset", "acknowledge all alarms, lift a stop, and start again after a fault"),
    ):
        command = commands.add_parser(name, help=help_text, epilog=_epilog(name), formatter_class=raw)
        command.add_argument(
            "--config", type=Path, metavar="FILE", help="line.toml of the line that is meant, where several run here"
        )
        command.add_argument("--socket", type=Path, metavar="PATH", help="the same by its control socket")
        if name == "status":
            command.add_argument("--json", action="store_true", help="one JSON object")
        if name == "recipe":
            command.add_argument("wanted", metavar="ID|NAME", help="its `id`, or the name of its file in recipes/")
    add_model_parsers(commands)
    add_engine_parsers(commands)
    add_build_parser(commands)
    add_engines_parser(commands)
    add_calibrate_parsers(commands)
    add_golden_parsers(commands)
    add_recorder_parsers(commands)
    add_clock_parser(commands)
    add_user_parsers(commands)
    add_token_parsers(commands)
    add_notices_parsers(commands)
    add_backup_parsers(commands)
    for name, (_, help_text) in KIT.items():
        commands.add_parser(name, help=help_text, add_help=False)
    return top


def _epilog(name: str) -> str:
    """The examples of one command, of those of all."""
    lines = [line for line in _EXAMPLES.splitlines() if line.split()[:2] == ["aoi-daemon", name]]
    return "examples:\n" + "\n".join(lines)
