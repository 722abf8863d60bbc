"""What a wheel has beside the modules: units, the starting configuration, and the commit that it was made from.

pyproject.toml names these classes as setuptools' commands. In a checkout nothing is copied: kit/files.py finds the
folders at the top, and version.py asks git. An editable installation is a checkout.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

_COMMIT: Final = "aoi_daemon/COMMIT"


def commit() -> str:
    """AOI_COMMIT of the environment, for a build without git; else as the program itself would say it."""
    told = os.environ.get("AOI_COMMIT", "").strip()
    if told:
        return told
    _find_the_program()
    from aoi_daemon.version import commit as commit_of_this  # noqa: PLC0415  # it was not in the path before

    return commit_of_this()


def shipped() -> list[Path]:
    """The files of `config` and `systemd` that go into the package, by their paths in the checkout."""
    _find_the_program()
    from aoi_daemon.kit.files import starting_files  # noqa: PLC0415  # it was not in the path before

    return [*starting_files(Path("config")), *(path for path in sorted(Path("systemd").rglob("*")) if path.is_file())]


def _find_the_program() -> None:
    """A build begins in the folder of the project, which is not in its path."""
    sys.path.insert(0, str(Path.cwd()))


class BuildPy(build_py):  # type: ignore[misc]  # setuptools is not asked for its types
    """Modules, and inside the package what `shipped` names."""

    def run(self) -> None:
        """As setuptools does, then the files and the commit."""
        if self.editable_mode:
            super().run()
            return
        package = Path(self.build_lib) / "aoi_daemon"
        # A former build may have left there what is no more.
        shutil.rmtree(package, ignore_errors=True)
        super().run()
        for path in shipped():
            there = package / "kit" / "shipped" / path
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, there)
        (package / "COMMIT").write_text(commit() + "\n", encoding="ascii")


class Sdist(sdist):  # type: ignore[misc]
    """The archive from which a wheel can be built: with those files, this one and the commit."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """The tree that is packed: what setuptools finds and what it does not, with the commit written down."""
        build = sorted(Path("tools/wheel").glob("*.py"))
        super().make_release_tree(base_dir, [*files, *(str(path) for path in (*shipped(), *build))])
        (Path(base_dir) / _COMMIT).write_text(commit() + "\n", encoding="ascii")
