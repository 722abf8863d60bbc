"""One run of one tree's line: this tree's PLC simulator and boards, the daemon and harness of the tree."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.options import BoardOptions
from aoi_daemon.kit.simulator.client import SimulatorProcess
from tools.line.witness import Witness, begun, met
from tools.slower import probe
from tools.slower.ratios import Run
from tools.slower.revision import Tree

_BOARDS: Final = 12
_SEED: Final = 3
_SIDE_PX: Final = 320
_SKIPPED: Final = 50
"""Parts at each end that are not steady: caches and clocks are cold after READY."""
_STOP_S: Final = 30.0
_REGISTERS: Final[dict[str, Any]] = {"plc": {"registers": {"base": 0}, "poll": {"base": 100}}}


class RunError(Exception):
    """A line could not be measured; the message ends with what it said."""


@dataclass(frozen=True)
class Bench:
    """What every run has in common. Times in ms."""

    folder: Path
    parts: int
    takt_ms: float
    registers: bool

    @property
    def boards(self) -> Path:
        """Where the boards are, the same for both trees."""
        return self.folder / "boards"

    def bundle(self, tree: Tree) -> Path:
        """Where the bundle of `tree` is: each tree makes its own, in its own format."""
        return self.folder / f"bundle-{tree.folder.parent.name}-{tree.folder.name}"

    def prepare(self, trees: tuple[Tree, ...]) -> None:
        """Draw the boards, make the bundles.

        Raises:
            RunError: a tree cannot make its bundle.
        """
        write_boards(
            self.boards, _BOARDS, _SEED, BoardOptions(width_px=_SIDE_PX, height_px=_SIDE_PX, good_fraction=0.6)
        )
        for tree in trees:
            case = {"do": "bundle", "boards": str(self.boards), "folder": str(self.bundle(tree))}
            with _probe(tree, case, self.folder) as process:
                process.communicate()
            _check(tree, process, self.folder)

    def measure(self, tree: Tree, progress: Callable[[int], None]) -> Run:
        """Pass the parts along the line of `tree`, and give what it came to.

        Args:
            tree: whose daemon runs.
            progress: is told how many parts are decided.

        Raises:
            RunError: the line did not become READY, or stopped; with the end of its log.
        """
        with (
            tempfile.TemporaryDirectory(prefix="line-", dir=self.folder) as folder,
            # Of this tree for both: the simulator's own speed is no part of the ratio.
            SimulatorProcess(scan_ms=0, deadline_ms=self.takt_ms, keep=max(self.parts, 1000)) as plc,
        ):
            case = {
                "do": "run", "boards": str(self.boards), "bundle": str(self.bundle(tree)), "folder": folder,
                "plc_port": plc.port, "photo_eye_port": plc.photo_eye_port, "parts": self.parts,
                "takt_ms": self.takt_ms, "skip": _SKIPPED,
                "sections": {"inspection": {"threads": 1}} | (_REGISTERS if self.registers else {}),
            }  # fmt: skip
            with Witness() as witness, _probe(tree, case, Path(folder)) as process:
                found = _listen(process, progress)
            _check(tree, process, Path(folder))
        if found is None or not found["path_ms"]:
            raise RunError(f"{tree.name}: no part went all the way, so there is nothing to compare")
        return Run(
            path_ms=statistics.median(found["path_ms"]),
            line_ms=statistics.median(found["line_ms"]),
            plc_cpu_us=found["cpu_us"]["plc"],
            inspection_cpu_us=found["cpu_us"]["inspection"],
            misses=found["misses"],
            unexplained=sum(not met((since, until), witness.stalls) for since, until in begun(found["missed_ns"])),
            parts=found["parts"],
        )


@contextmanager
def _probe(tree: Tree, case: dict[str, Any], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The probe in `tree`, ended in order when the block ends before it does."""
    with (folder / "probe.err").open("w") as errors:
        process = subprocess.Popen(
            # -c and not the file: the first place where Python looks is then the root of the tree, not this folder.
            [tree.python, "-c", Path(probe.__file__).read_text(encoding="utf-8"), json.dumps(case)],
            cwd=tree.folder, env={**os.environ, "PYTHONPATH": str(tree.folder)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            # A terminal's Ctrl-C is for this process, which then ends the probe once, so that its daemon ends in order.
            start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listen(process: subprocess.Popen[str], progress: Callable[[int], None]) -> dict[str, Any] | None:
    result: dict[str, Any] | None = None
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if "decided" in told:
            progress(told["decided"])
        result = told.get("result", result)
    return result


def _check(tree: Tree, process: subprocess.Popen[str], folder: Path) -> None:
    if process.returncode:
        said = (folder / "probe.err").read_text(errors="replace").strip()[-3000:]
        raise RunError(f"{tree.name}: its line could not be measured (exit {process.returncode}):\n{said}")
