"""Install the torch that fits this machine, and say beforehand what that downloads: `python -m tools.locks.torch`.

PyPI's torch for Linux brings CUDA's libraries, some gigabytes that are of no use without an NVIDIA GPU. PyTorch's own
index has the same release without them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from aoi_daemon.errors import AoiError
from tools.locks.pins import ROOT, wanted_extra

CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
_PIP: Final = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
_HEAD_S: Final = 20


class TorchError(AoiError):
    """There is no torch that fits this machine; says where it was looked for."""


class File(NamedTuple):
    """One file that pip will fetch; `size_bytes` is None where its server does not say."""

    name: str
    version: str
    size_bytes: int | None


def has_gpu() -> bool:
    """Whether the NVIDIA driver names a GPU."""
    try:
        ended = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0 and ended.stdout.startswith("GPU ")


def files_of(report: dict[str, Any]) -> list[File]:
    """What pip's report of a dry run would fetch."""
    return [
        File(each["metadata"]["name"], each["metadata"]["version"], size_of(each["download_info"]["url"]))
        for each in report["install"]
    ]


def size_of(url: str) -> int | None:
    """Bytes of a file that is there or on a server; None: it is not told."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "file":
            return Path(unquote(parts.path)).stat().st_size
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_HEAD_S) as answer:
            length = answer.headers["Content-Length"]
            return int(length) if length else None
    except (OSError, ValueError):
        return None


def told(files: Sequence[File], *, gpu: bool) -> str:
    """The words before a download."""
    why = "for the NVIDIA GPU" if gpu else "without CUDA: there is no NVIDIA GPU"
    known = [each.size_bytes for each in files if each.size_bytes is not None]
    more = "" if len(known) == len(files) else f", and {len(files) - len(known)} files of unknown size"
    lines = [f"downloading torch {why}: {len(files)} packages, {_mb(sum(known))}{more}"]
    for each in sorted(files, key=lambda each: -(each.size_bytes or 0)):
        size = "size unknown" if each.size_bytes is None else _mb(each.size_bytes)
        lines.append(f"  {each.name} {each.version}: {size}")
    return "\n".join(lines)


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _dry_run(words: Sequence[str]) -> dict[str, Any]:
    """What pip reports of it.

    Raises:
        subprocess.CalledProcessError: pip has said why.
    """
    ended = subprocess.run([*_PIP, "--dry-run", "--report", "-", *words], stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def words_for(requirement: str, *, gpu: bool) -> list[str]:
    """What pip is to be asked for.

    Raises:
        subprocess.CalledProcessError: pip has said why.
        TorchError: there is no release without CUDA.
    """
    if gpu:
        return [requirement]
    # The release first, from the one index: with both, a newer one of PyPI's would bring CUDA.
    once = ("--retries", "1", "--timeout", "30")
    found = _dry_run(["--no-deps", *once, "--index-url", CPU_INDEX, requirement])["install"][0]["metadata"]["version"]
    # Where the index is not reached, pip takes what a setting of this machine leads it to.
    if not found.endswith("+cpu"):
        raise TorchError(f"{CPU_INDEX} has none without CUDA for this machine, or is not reached")
    return [f"torch=={found}", "--extra-index-url", CPU_INDEX]


def main() -> int:
    """Exit code 0: torch is there; 1: it cannot be had."""
    extra = wanted_extra((ROOT / "pyproject.toml").read_text(encoding="utf-8"), "train")
    asked = next(each for each in extra if each.name == "torch")
    if _is_there(asked):
        return 0
    gpu = has_gpu()
    try:
        words = words_for(str(asked), gpu=gpu)
        print(told(files_of(_dry_run(words)), gpu=gpu), flush=True)
        subprocess.run([*_PIP, *words], check=True)
    except subprocess.CalledProcessError:
        return _not_installed("pip has failed", asked)
    except TorchError as error:
        return _not_installed(str(error), asked)
    return 0


def _not_installed(why: str, asked: Requirement) -> int:
    remedy = f"one that is there is taken as it is (PyPI's, with CUDA: {sys.executable} -m pip install '{asked}')"
    print(f"torch is not installed: {why}; {remedy}", file=sys.stderr)
    return 1


def _is_there(asked: Requirement) -> bool:
    try:
        return asked.specifier.contains(metadata.version("torch"), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    sys.exit(main())
