"""The command `aoi-daemon`.

Exit codes: 0 done; 1 it did not succeed; 2 the command line or a file is wrong.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aoi_daemon.backup.commands import run as run_backup
from aoi_daemon.command_line import DEFAULT_CONFIG, KIT, parser
from aoi_daemon.engine.build.command import run as run_build
from aoi_daemon.engine.calibrate.command import run as run_calibrate
from aoi_daemon.engine.commands import run as run_engine
from aoi_daemon.engine.exports.inspect.command import run as run_model
from aoi_daemon.engine.golden_parts.command import run as run_golden
from aoi_daemon.engine.measured import run as run_engines
from aoi_daemon.errors import AoiError, ConfigError
from aoi_daemon.hmi.access.command import run as run_users
from aoi_daemon.hmi.access.token_command import run as run_tokens
from aoi_daemon.notifier.command import run as run_notices
from aoi_daemon.recorder.commands.clock import run as run_clock
from aoi_daemon.recorder.commands.main import run as run_recorder

if TYPE_CHECKING:
    from aoi_daemon.config.schema import LineConfig

__all__ = ["main", "parser"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_ELSEWHERE: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "bundle": run_engine,
    "qualify": run_engine,
    "golden": run_golden,
    "model": run_model,
    "build-engine": run_build,
    "engines": run_engines,
    "calibrate": run_calibrate,
    "export": run_recorder,
    "replay": run_recorder,
    "audit": run_recorder,
    "user": run_users,
    "token": run_tokens,
    "notices": run_notices,
    "backup": run_backup,
    "restore": run_backup,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["trial"]:
        return _trial(int(words[1]))  # how inspection tries a back end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that is not text is told with what is wrong in it, and is no reason to break off.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            code = _command(words)
        finally:
            sys.stdout.flush()  # of a --help, too
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Of a file they are worded where they come up; these two are what standard output meets.
        if not isinstance(error, BrokenPipeError) and (error.errno not in _FULL or error.filename is not None):
            raise
        if not isinstance(error, BrokenPipeError):
            print(f"aoi-daemon: standard output: {error.strerror}", file=sys.stderr)
        _drop_output()
        return 1
    return code


def _drop_output() -> None:
    """What is left in the buffer goes nowhere: Python would try again as it ends, and print a traceback."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _command(words: list[str]) -> int:
    try:
        for word in words:
            word.encode()
        if words[:1] and words[0] in KIT:
            made: int = importlib.import_module(KIT[words[0]][0]).main(words[1:])
            return made
        arguments = parser().parse_args(words)
        if arguments.command in _ELSEWHERE:
            return _ELSEWHERE[arguments.command](arguments)
        if arguments.command == "run":
            return _run(arguments.config)
        if arguments.command == "check-config":
            return _check(arguments.config)
        if arguments.command == "plc-program":
            return _plc_program(arguments)
        return _ask(arguments)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except AoiError as error:
        print(f"aoi-daemon: {error}", file=sys.stderr)
        return 1
    except UnicodeEncodeError as error:
        if not error.reason.startswith("surrogates"):
            raise
        # Files of ours are UTF-8 and JSON, which have no place for it.
        print(f"aoi-daemon: {error.object!r}: a name that is not UTF-8; rename it", file=sys.stderr)
        return 2


def _check(file: Path) -> int:
    from aoi_daemon.acquire.sources import source_problems
    from aoi_daemon.config.checks.places import place_problems
    from aoi_daemon.config.frame_memory import in_words
    from aoi_daemon.inspection.auto.told import lanes_tried, tried
    from aoi_daemon.preflight import check, not_checked, open_models, proofs

    configuration = check(file)
    line, folder = configuration.line, configuration.file.parent
    if problems := [*source_problems(line.cameras), *place_problems(line, folder)]:
        raise ConfigError(configuration.file, problems)
    open_models(configuration)
    cameras = ", ".join(camera.name for camera in configuration.line.cameras)
    print(f"{configuration.file}: ok (cameras: {cameras}; recipes: {', '.join(configuration.recipes)})")
    print(_times(configuration.line))
    print(in_words(configuration.line))
    for proof in proofs(configuration):
        print(proof)
    for said in (*tried(configuration), lanes_tried(line)):
        if said:
            print(said)
    for unknown in not_checked(configuration):
        print(f"note: {unknown}")
    return 0


def _times(line: LineConfig) -> str:
    from aoi_daemon.config.timing import timing_of

    timing = timing_of(line.line, line.plc, max(camera.sensor_to_frame_ms for camera in line.cameras))
    requests = f"{timing.requests} request{'s' * (timing.requests > 1)} of {line.plc.answer_ms:g} ms"
    return (
        f"each part: judged within {timing.judge_ms:g} ms of its frame, its verdict ({requests}) begun "
        f"{timing.verdict_ms:g} ms before the deadline of {line.line.deadline_ms:g} ms; else it is rejected"
    )


def _plc_program(arguments: argparse.Namespace) -> int:
    from aoi_daemon.config.load import load
    from aoi_daemon.plcmap.program import Variant, as_structured_text
    from aoi_daemon.plcmap.table import as_csv

    line = load(arguments.config).line
    if arguments.map:
        print(as_csv(line.plc), end="")
        return 0
    try:
        print(as_structured_text(line.plc, line.line, arguments.variant and Variant(arguments.variant)), end="")
    except ValueError as error:
        print(f"{arguments.config}: {error}", file=sys.stderr)
        return 2
    return 0


def _run(file: Path) -> int:
    from aoi_daemon.preflight import check
    from aoi_daemon.stage import logs
    from aoi_daemon.stage.service import give_up
    from aoi_daemon.supervisor.main import Supervisor

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Nothing has begun yet: Ctrl-C ends it as SIGTERM does, with no traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        configuration = check(file)
    except AoiError as error:
        give_up(str(error))
        raise
    section = configuration.line.log
    log_format = logs.resolve_format(section.format)
    with logs.LogPump() as pump:
        logs.configure("supervisor", section.level, log_format, pump.write_fd)
        return Supervisor(configuration, log_format, pump.write_fd).run()


def _trial(answer_fd: int) -> int:
    importlib.import_module("aoi_daemon.inspection.auto.trial").main(answer_fd)
    sys.stderr.flush()
    os._exit(0)  # as a stage: not through a vendor's clean-up


def _ask(arguments: argparse.Namespace) -> int:
    from aoi_daemon.stage.control import request
    from aoi_daemon.stage.control_path import find_socket

    if arguments.command == "clock":
        return run_clock(arguments)
    path = find_socket(arguments.socket, arguments.config, DEFAULT_CONFIG)
    if arguments.command in ("reload", "recipe"):
        return _order(arguments, path)
    answer, _ = request(path, {"do": arguments.command})
    if not answer["ok"]:
        print(answer["error"], file=sys.stderr)
        return 1
    if arguments.command == "status":
        status = answer["status"]
        print(json.dumps(status) if arguments.json else _describe(status))
        return 0 if status["ready"] else 1
    print(answer["message"])
    return 0


def _order(arguments: argparse.Namespace, path: Path) -> int:
    """A reload or a changeover: a new engine may load and prove itself first, which is told while it lasts."""
    from aoi_daemon.stage.control import request, request_and_wait

    said = ""

    def still() -> None:
        nonlocal said
        step = request(path, {"do": "status"})[0]["status"]["changeover"]["step"]
        if step != said:
            said = step
            print(f"waiting: {step} (Ctrl-C leaves it to go on)", file=sys.stderr, flush=True)

    body = {"do": arguments.command}
    if arguments.command == "recipe":
        wanted = arguments.wanted
        body["id"] = int(wanted) if wanted.isdecimal() and len(wanted) <= 5 else wanted
    try:
        answer = request_and_wait(path, body, still)
    except KeyboardInterrupt:
        print("not waited for; aoi-daemon status tells what comes of it", file=sys.stderr)
        return 130
    if not answer["ok"]:
        print(answer["error"], file=sys.stderr)
        return 2 if arguments.command == "reload" or answer.get("unknown") else 1
    print(f"reloaded: {answer['message']}" if arguments.command == "reload" else answer["message"])
    for note in answer.get("notes", ()):
        print(f"note: {note}")
    if "switch_ms" in answer:
        print(f"switched in {answer['switch_ms']:.1f} ms")
    return 0


def _describe(status: dict[str, object]) -> str:
    lines = [f"{status['name']}: {'READY' if status['ready'] else 'NOT READY'} ({status['state']})"]
    for key, value in status.items():
        if key in ("name", "ready", "state"):
            continue
        rows = value if isinstance(value, list) else [value]
        words = ["  ".join(f"{n} {i}" for n, i in row.items()) if isinstance(row, dict) else str(row) for row in rows]
        lines.append(f"  {key.replace('_', ' '):<18}{'; '.join(words) or '-'}")
    return "\n".join(lines)
