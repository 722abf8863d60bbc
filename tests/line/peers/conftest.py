"""A line against a server of `peer.py`: its takt, its parts, and the collector of its photo-eye."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import pytest

from aoi_daemon.cli import main
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.engine.reference import GoldenPair, make_reference_bundle
from aoi_daemon.kit.boards.generate import generate, write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.line.daemon import LineDaemon
from aoi_daemon.kit.line.setup import demo_recipe, line_config
from aoi_daemon.kit.simulator.plc import PHOTO_EYE, PHOTO_EYE_MAGIC
from aoi_daemon.kit.simulator.program import Program
from aoi_daemon.messages import Outcome, Reason
from tests.line.peers.judge import Findings, Seen
from tests.line.peers.peer import COIL_BASE, POLL_BASE, REPORT_BASE, Request

DELAY_MS = (12.0, 17.0)
ANSWER_MS = 18.0
"""The longest delay, and 1 ms for the server to wake up, write and answer (its own p99 is printed beside it)."""
OPTIONS = BoardOptions(width_px=160, height_px=160, good_fraction=0.6)
BOARDS = 12
BOARDS_SEED = 3
LONGEST_TAKT_MS = 1000
HEADS = (
    "peer", "program", "takt ms", "parts", "good passed", "rejected", "judged late", "late PASS by server", "by daemon",
    "escapes", "connections", "p50 ms", "p99 ms", "max ms",
)  # fmt: skip
_ROWS = pytest.StashKey[list[tuple[str, ...]]]()
_LATE = pytest.StashKey[list[str]]()


class PhotoEye:
    """Collects what the replay camera tells of parts; `look` often enough that its buffer does not run over."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.seen: list[Seen] = []

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def look(self) -> None:
        """Take in what has come."""
        with suppress(BlockingIOError):
            while True:
                magic, *part = PHOTO_EYE.unpack(self._socket.recv(PHOTO_EYE.size))
                assert magic == PHOTO_EYE_MAGIC
                self.seen.append(Seen(*part))

    def __enter__(self) -> PhotoEye:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()


class PeerLine:
    """The configuration of a line before a foreign server."""

    def __init__(self, boards: Path, bundle: Path) -> None:
        self._boards = boards
        self._recipe = demo_recipe(boards, bundle)

    def daemon(self, folder: Path, *, takt_ms: float, port: int = 502, photo_eye_port: int = 9, parts: int = 0) -> LineDaemon:
        """Not started. Registers and poll are on."""
        config = line_config(
            self._boards, takt_ms=takt_ms, deadline_ms=takt_ms, plc_port=port, photo_eye_port=photo_eye_port, parts=parts,
            plc={
                "coil_base": COIL_BASE, "registers": {"base": REPORT_BASE}, "poll": {"base": POLL_BASE},
                # An answer that is late by little is taken, where its part's deadline allows.
                "answer_ms": ANSWER_MS, "timeout_ms": 2 * ANSWER_MS,
            },
            inspection={"threads": 1},
        )  # fmt: skip
        config["cameras"][0]["silence_ms"] = 0.0  # its parts come to an end
        return LineDaemon(folder, config, {"demo": self._recipe})

    @staticmethod
    def programs(daemon: LineDaemon, gate_ns: int) -> dict[str, Program]:
        """The PLC program as it is handed out for the line of `daemon`, in each variant."""
        line = LineConfig.model_validate(daemon.line)
        return {variant: Program(line.plc, line.line, variant, gate_ns=gate_ns) for variant in ("both", "coils", "registers")}


@pytest.fixture(scope="session")
def peer_line(tmp_path_factory) -> PeerLine:
    """Small boards, so that a part is judged in a few ms; the reference model is right on all of them (asserted at the end of a run)."""
    folder = tmp_path_factory.mktemp("peers")
    write_boards(folder / "boards", BOARDS, BOARDS_SEED, OPTIONS)
    template = generate(BOARDS_SEED, 0, OPTIONS).template
    damaged = template.copy()
    damaged[50:90, 50:90] = 255 - damaged[50:90, 50:90]
    make_reference_bundle(folder / "bundle", [GoldenPair(template, template, True), GoldenPair(damaged, template, False)])
    return PeerLine(folder / "boards", folder / "bundle")


@pytest.fixture(scope="session")
def smallest_takt_ms(peer_line, tmp_path_factory) -> int:
    """The smallest takt, to the millisecond, at which check-config takes this line; the deadline is as long."""
    folder = tmp_path_factory.mktemp("takt")

    def is_taken(takt_ms: int) -> bool:
        return main(["check-config", "--config", str(peer_line.daemon(folder, takt_ms=takt_ms).config)]) == 0

    refused, taken = 1, LONGEST_TAKT_MS
    assert is_taken(taken) and not is_taken(refused)
    while taken - refused > 1:
        middle = (refused + taken) // 2
        refused, taken = (refused, middle) if is_taken(middle) else (middle, taken)
    return taken


@pytest.fixture
def peer_table(request):
    """Write down a run for the table at the end."""
    rows = request.config.stash.setdefault(_ROWS, [])
    told = request.config.stash.setdefault(_LATE, [])

    def note(name: str, takt_ms: int, found: Findings, requests: Sequence[Request], outcomes: Sequence[Outcome]) -> None:
        took_ms = sorted(each.took_ns / 1e6 for each in requests if each.function)
        late = found.late_by_server
        for variant, gone in found.gone.items():
            rows.append((
                name, variant, f"{takt_ms}", f"{len(outcomes)}", f"{gone.good} of {found.good}", f"{gone.ejected}",
                f"{sum(each.reason == Reason.LATE for each in outcomes)}", f"{len(late)}", f"{len(found.late_by_daemon)}",
                f"{len(gone.escapes)}", f"{sum(not each.function for each in requests)}",
                f"{took_ms[len(took_ms) // 2]:.1f}", f"{took_ms[len(took_ms) * 99 // 100]:.1f}", f"{took_ms[-1]:.1f}",
            ))  # fmt: skip
        for each in (*late, *found.late_by_daemon):
            told.append(
                f"{name}: PASS of part {each.part} in FC{each.function} {each.late_ns / 1e6:.3f} ms late; the server took {each.took_ns / 1e6:.3f} ms"
            )

    return note


def pytest_terminal_summary(terminalreporter, config):
    rows = config.stash.get(_ROWS, [])
    if not rows:
        return
    terminalreporter.section(f"Modbus servers of others, {DELAY_MS[0]:g} to {DELAY_MS[1]:g} ms, answer_ms {ANSWER_MS:g}")
    widths = [max(map(len, column)) for column in zip(HEADS, *rows, strict=True)]
    for row in (HEADS, *rows):
        terminalreporter.write_line("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))
    for line in config.stash[_LATE]:
        terminalreporter.write_line(line)
