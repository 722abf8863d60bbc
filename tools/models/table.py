"""`python -m tools.models compare`: every row compared, told as a table.

Schema of the JSON (version 1): `ours` (versions here), `rows`: see `Compared` (compared.py) and `Agreement`
(matching.py).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from aoi_daemon import __version__
from aoi_daemon.files import replace_file
from tools.models.compared import DIFFERS, Compared, compare_row
from tools.models.matching import Agreement
from tools.models.rows import Row

HEAD: Final = (
    "model", "compared", "score differs by", "least IoU", "missing", "extra", "at a threshold", "pictures",
    "other verdict", "score differs by", "red for blue seen", "state",
)  # fmt: skip


def compare_all(rows: Sequence[Row], out: Path, *, json_file: Path | None, markdown_file: Path | None) -> int:
    """Compare, print, write; the exit code."""
    found = []
    for number, row in enumerate(rows, 1):
        print(f"[{number}/{len(rows)}] {row.title} ...", end="", flush=True)
        found.append(compare_row(row, out))
        print(f" {found[-1].state}{': ' + found[-1].reason if found[-1].reason else ''}", flush=True)
    page = markdown(found)
    print("\n" + page)
    report = {
        "version": 1, "ours": {"aoi-daemon": __version__, "python": platform.python_version(), **_versions()},
        "rows": [each.as_json() for each in found],
    }  # fmt: skip
    if json_file is not None:
        replace_file(json_file, (json.dumps(report, indent=1) + "\n").encode())
    if markdown_file is not None:
        replace_file(markdown_file, page.encode())
    return 1 if any(each.state == DIFFERS for each in found) else 0


def markdown(found: Sequence[Compared]) -> str:
    """The table, and below it the versions and why a row is not shown or differs."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(_cells(each)) + " |" for each in found]
    versions: dict[str, set[str]] = {}
    for each in found:
        for name, version in each.versions.items():
            versions.setdefault(name, set()).add(version.partition("+")[0])
    below = [", ".join(f"{name} {'/'.join(sorted(of))}" for name, of in sorted({**versions, **_here()}.items()))]
    below += [f"{each.title}: {each.state}: {each.reason}" for each in found if each.reason]
    return "\n".join([*lines, "", *(f"- {line}" for line in below), ""])


def _cells(of: Compared) -> list[str]:
    swap = {True: "yes", False: "no", None: "-"}[of.swap_seen]
    return [of.title, *_tensor(of.tensor), *_picture(of.picture), swap, of.state]


def _tensor(of: Agreement | None) -> list[str]:
    if of is None:
        return ["-"] * 6
    overlap = "-" if of.overlap is None else f"{of.overlap:.4f}"
    return [str(of.n), f"{of.score:.1e}", overlap, str(of.missing), str(of.extra), str(of.near)]


def _picture(of: Agreement | None) -> list[str]:
    return ["-"] * 3 if of is None else [str(of.n), str(of.missing + of.extra), f"{of.score:.1e}"]


def _versions() -> dict[str, Any]:
    return {name: metadata.version(name) for name in ("onnx", "onnxruntime", "numpy")}


def _here() -> dict[str, set[str]]:
    return {f"here: {name}": {version} for name, version in _versions().items()}
