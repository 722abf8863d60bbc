"""`aoi-daemon simulate-plc`, and what a simulated line starts for its PLC."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any, Final

from aoi_daemon.kit.simulator.client import SimulatorError, SimulatorProcess
from aoi_daemon.kit.simulator.control import COMMANDS, Control
from aoi_daemon.kit.simulator.options import Options
from aoi_daemon.kit.simulator.plc import Plc
from aoi_daemon.kit.simulator.server import Server

_M_MMAP_MAX: Final = -4
_M_TRIM_THRESHOLD: Final = -1

_DESCRIPTION = """\
The line's PLC, simulated: a Modbus/TCP server with the daemon's coils, registers
and poll block, part tracking and an ejector. A part passes only when its PASS
comes in its window, READY, with a live heartbeat and a fresh sequence.
"""
_EXAMPLES = """\
examples:
  aoi-daemon simulate-plc                         a PLC on port 5020, with a live line
  aoi-daemon simulate-plc --scan-ms 10 --deadline-ms 40
  aoi-daemon simulate-plc --trigger-ms 50         the PLC triggers the camera (pace = "plc")
  aoi-daemon simulate-plc --control /tmp/plc.sock then, from another terminal:
    echo '{"cmd":"fault","kind":"mute"}' | socat - /tmp/plc.sock

control commands, one JSON object a line:
"""


def _parser() -> argparse.ArgumentParser:
    commands = "".join(f"  {name:13s} {meaning}\n" for name, meaning in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="aoi-daemon simulate-plc", description=_DESCRIPTION, epilog=_EXAMPLES + commands,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    for option in fields(Options):
        default: Any = option.default
        parser.add_argument(
            f"--{option.name.replace('_', '-')}", type=type(default), default=default,
            metavar=type(default).__name__.upper(), help=f"{option.metadata['meaning']} (default {default})",
        )  # fmt: skip
    parser.add_argument(
        "--control", default="0", metavar="PATH", help="Unix socket, or TCP port on loopback (default: any)"
    )
    parser.add_argument("--quiet", action="store_true", help="no live line")
    parser.add_argument(
        "--json", action="store_true",
        help="for programs: print one line of JSON with what it listens on; end when standard input ends",
    )  # fmt: skip
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; gives the exit code."""
    parser = _parser()
    chosen = vars(parser.parse_args(arguments))
    control, quiet, machine = chosen.pop("control"), chosen.pop("quiet"), chosen.pop("json")
    try:
        options = Options(**chosen)
    except ValueError as error:
        parser.error(str(error))
    if sys.stderr.isatty() and not quiet and not machine:
        return _watched(options, control)
    try:
        asyncio.run(_serve(options, control, machine=machine))
    except OSError as error:
        print(f"aoi-daemon simulate-plc: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _watched(options: Options, control: str) -> int:
    """The live line here, the simulator in a process of its own."""
    from aoi_daemon.kit.simulator.display import watch  # noqa: PLC0415  # a line without it needs no rich

    try:
        with SimulatorProcess(**asdict(options), control=control) as simulator:
            print(_listens(simulator.listens), flush=True)
            watch(simulator)
    except SimulatorError:
        return 2  # it has said why
    except KeyboardInterrupt:
        return 0
    return 0


async def _serve(options: Options, control_at: str, *, machine: bool) -> None:
    """Serve until told to stop: by a signal, by `quit`, or by the end of a program that started it."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    plc = Plc(options)
    server = Server(plc)
    control = Control(plc, server, stop.set)
    await server.open()
    plc.start()
    listens = {
        "host": options.host,
        "port": server.port,
        "photo_eye_port": plc.photo_eye_port,
        "control": await control.open(control_at),
    }
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if machine:
        # A terminal's Ctrl-C is for the program that started this one, and may want its PLC to the end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with suppress(PermissionError):  # /dev/null and files cannot be watched, and have no end to wait for
            loop.add_reader(sys.stdin.fileno(), stop.set)
    else:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    if options.priority:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(options.priority))
    print(json.dumps(listens) if machine else _listens(listens), flush=True)
    _be_punctual()
    await stop.wait()
    control.close()
    server.shut()
    plc.stop()


def _be_punctual() -> None:
    """A PLC has no pauses: nothing is collected, and no memory is given back and taken again."""
    gc.collect()
    gc.freeze()
    # With its log of 100,000 parts a full collection stops it for longer than a short takt allows.
    gc.disable()
    # asyncio reads into 256 KiB, which malloc maps anew for each request: two page faults each (measured), and a
    # page may be one that a virtual machine's host has to find first.
    with suppress(AttributeError):  # not a glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def _listens(listens: dict[str, Any]) -> str:
    return (
        f"Modbus/TCP on {listens['host']}:{listens['port']}, photo-eye on UDP {listens['photo_eye_port']}, "
        f"control on {listens['control']}; Ctrl-C ends"
    )


if __name__ == "__main__":
    sys.exit(main())
