"""What each test file executes, how long its tests take, and that they pass.

Measured once, and kept while nothing of it changed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.mutation import fork, tracing
from tools.mutation.errors import MutationError
from tools.mutation.pool import Pool

LIMIT_S: Final = 400.0
"""Of one test file, traced."""


@dataclass(frozen=True)
class Measured:
    """One test file. `lines`: test, then file, then line numbers; tracing.SHARED is each test of the file."""

    file: str
    seconds: dict[str, float]
    lines: dict[str, dict[str, list[int]]]

    def reaching(self, path: str, lines: range) -> list[str]:
        """Tests that execute one of `lines` of the module."""

        def hit(test: str) -> bool:
            return any(line in lines for line in self.lines.get(test, {}).get(path, ()))

        if hit(tracing.SHARED):
            return list(self.seconds)
        return [test for test in self.seconds if hit(test)]


def digest(root: Path, files: Iterable[str]) -> str:
    """Of the content of these files; one that is gone counts as empty."""
    found = hashlib.sha256()
    for file in sorted(files):
        path = root / file
        found.update(f"{file}\0".encode() + (path.read_bytes() if path.is_file() else b"") + b"\0")
    return found.hexdigest()[:24]


def conftests(root: Path, file: str) -> list[str]:
    """The conftest.py files that belong to a test file."""
    found = [(folder / "conftest.py").as_posix() for folder in Path(file).parents]
    return [each for each in found if (root / each).is_file()]


def measure(
    root: Path, top: str, files: list[str], pool: Pool, *, cache: Path, say: Callable[[str], None]
) -> list[Measured]:
    """All of `files`, from the cache where nothing that they execute has changed. `top`: the mutated package.

    Raises:
        MutationError: a test fails without any mutant.
    """
    cache.mkdir(parents=True, exist_ok=True)
    found = {file: known for file in files if (known := _kept(root, cache, file))}
    missing = [file for file in files if file not in found]
    if missing:
        say(f"{len(missing)} test files: are they green, and what do they execute")
    raw: dict[str, dict[str, Any]] = {file: {} for file in missing}

    def timed(file: str, folder: Path) -> Callable[[Path], int]:
        def body(told: Path) -> int:
            sys.path.insert(0, str(root))
            timer = tracing.Timer()
            code = fork.run_pytest([file], folder, [timer], f"--rootdir={root}")
            timer.tell(told)
            return code

        return body

    def traced(file: str, folder: Path) -> Callable[[Path], int]:
        def body(told: Path) -> int:
            sys.path.insert(0, str(root))
            fork.fewer_examples()
            tracer = tracing.Tracer(root / top)
            tracer.start()
            fork.run_pytest(
                [file], folder, [tracer], f"--rootdir={root}", "--assert=plain", "-o", f"timeout={LIMIT_S:.0f}"
            )
            tracer.tell(told)
            return 0

        return body

    def green(file: str, code: int | None, told: Path) -> None:
        result = json.loads(told.read_text()) if told.exists() else {"failed": f"{file}: ended with {code}"}
        if code not in {0, 5} or result["failed"]:
            raw[file]["failed"] = result["failed"] or f"{file}: ended with {code}"
        else:
            raw[file].update(seconds=result["seconds"])

    def reached(file: str, code: int | None, told: Path) -> None:
        # A test that counts milliseconds may fail while it is traced; what it executed is told all the same.
        lines = json.loads(told.read_text()) if code == 0 else {}
        by_path = {test: {f"{top}/{name}": at for name, at in each.items()} for test, each in lines.items()}
        found[file] = Measured(file, raw[file]["seconds"], by_path)
        _keep(root, cache, found[file])

    pool.run(((file, LIMIT_S, timed(file, pool.folder(file))) for file in missing), green)
    # Once more, alone, before it is believed: a busy machine makes timed tests fail.
    again = [file for file in missing if "failed" in raw[file]]
    for file in again:
        raw[file].clear()
    pool.run(((file, LIMIT_S, timed(file, pool.folder(file))) for file in again), green, jobs_at_once=1)
    red = [str(result["failed"]) for result in raw.values() if "failed" in result]
    if red:
        raise MutationError("red without any mutant; mend it first:\n" + "\n".join(red))
    pool.run(((file, LIMIT_S, traced(file, pool.folder(file))) for file in missing), reached)
    return [found[file] for file in files]


def _name(cache: Path, file: str) -> Path:
    return cache / f"{hashlib.sha256(file.encode()).hexdigest()[:16]}.json"


def _depends(root: Path, known: Measured) -> list[str]:
    executed = {name for lines in known.lines.values() for name in lines}
    return [known.file, *conftests(root, known.file), *executed]


def _kept(root: Path, cache: Path, file: str) -> Measured | None:
    try:
        kept = json.loads(_name(cache, file).read_text())
        known = Measured(kept["file"], kept["seconds"], kept["lines"])
    except (OSError, ValueError, KeyError):
        return None
    return known if kept["digest"] == digest(root, _depends(root, known)) else None


def _keep(root: Path, cache: Path, known: Measured) -> None:
    content = {
        "file": known.file,
        "seconds": known.seconds,
        "lines": known.lines,
        "digest": digest(root, _depends(root, known)),
    }
    _name(cache, known.file).write_text(json.dumps(content))
