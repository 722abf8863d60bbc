"""Libraries in C that the tests preload into programs: built by whatever compiler the machine has."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


def build(source: Path, folder: Path, without: str, error: Callable[[str], Exception]) -> Path:
    """The library of `source`, in `folder`.

    Raises:
        error: there is no C compiler, or no C library to build against; `without` says what there is none of, then.
        RuntimeError: it does not compile.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise error(f"no C compiler, so no {without} (Debian: apt-get install gcc libc6-dev)")
    library = folder / f"{source.stem}.so"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "fatal error" in done.stderr and "No such file" in done.stderr:
            raise error(f"no headers of the C library, so no {without} (Debian: apt-get install libc6-dev)")
        raise RuntimeError(f"{source.name} does not compile:\n{done.stderr}")
    return library
