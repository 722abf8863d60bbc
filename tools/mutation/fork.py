"""One pytest in a forked process, with limits; the parent holds third-party packages that are imported already.

Nothing of what is mutated, or imports it, may be imported in the parent: the child imports it anew.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

IMPORT_FAILED: Final = 70
"""Exit code of a child whose module could not be imported."""
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)
_TRACED_EXAMPLES: Final = 30
MEMORY_BYTES: Final = 6 << 30
THIRD_PARTY: Final = (
    "numpy", "cv2", "PIL.Image", "pydantic", "structlog", "pymodbus.client", "pymodbus.server", "onnx", "onnxruntime",
    "rich.console",
    "pytest", "hypothesis.strategies", "httpx",
)  # fmt: skip
PYTEST: Final = (
    "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-o", "faulthandler_timeout=0", "--no-header",
)  # fmt: skip


def warm_up() -> None:
    """Import what every test needs and nobody mutates. What is not installed is left out."""
    # Plugins of the environment are not wanted (random order, processes side by side), and cost start-up.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # Two children side by side, and a library's threads do not outlive a fork.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in THIRD_PARTY:
        with suppress(ImportError):
            __import__(name)
    with suppress(ImportError):
        from hypothesis import Phase, settings  # noqa: PLC0415  # it may not be installed

        # The same examples in every run, and no shrinking: that one fails is all that is asked.
        settings.register_profile("mutation", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
        settings.load_profile("mutation")
    gc.freeze()


def fewer_examples() -> None:
    """Of property tests, while they are traced: which lines they execute is plain after some."""
    with suppress(ImportError):
        from hypothesis import settings  # noqa: PLC0415  # as above

        settings.register_profile("traced", settings.get_profile("mutation"), max_examples=_TRACED_EXAMPLES)
        settings.load_profile("traced")


@contextmanager
def undisturbed() -> Iterator[None]:
    """No Ctrl-C in here: one that is raised in a hook of fork is lost, one behind it loses the child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def disturbed() -> None:
    """A child's, which was forked while undisturbed."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


@dataclass
class Child:
    """A child at work: `end_s` is on time.monotonic's scale."""

    pid: int
    pidfd: int
    end_s: float
    told: Path

    def kill(self) -> None:
        """With all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def start(body: Callable[[Path], int], limit_s: float, folder: Path) -> Child:
    """Fork, while `undisturbed`; `body` runs in the child, in a session of its own, and gives the exit code.

    It gets `folder`/told, into which it may write what the parent should know; its output is in `folder`/output.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "told"
    told.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.setsid()
            _limited(limit_s, folder)
            code = body(told)
        except BaseException:  # noqa: BLE001  # whatever it is must not go on in the parent's code
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return Child(pid, os.pidfd_open(pid), time.monotonic() + limit_s, told)


def _limited(limit_s: float, folder: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    disturbed()
    output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Also where the parent is gone and kills nothing any more.
    cpu_s = int(2 * limit_s) + 10
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))


def finish(child: Child) -> int | None:
    """Exit code of a child that has ended, or is killed now: None if it was out of time, negative after a signal."""
    late = time.monotonic() >= child.end_s
    found, status = os.waitpid(child.pid, os.WNOHANG)
    child.kill()  # it, and what it left running
    if found == 0:
        _, status = os.waitpid(child.pid, 0)
    os.close(child.pidfd)
    return None if late and found == 0 else os.waitstatus_to_exitcode(status)


def run_pytest(files: Iterable[str], folder: Path, plugins: list[Any], *more: str) -> int:
    """Pytest in this process; the exit code."""
    return int(pytest.main([*PYTEST, f"--basetemp={folder / 'tmp'}", *more, *files], plugins=plugins))
