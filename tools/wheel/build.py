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

_SHIPPED: Final = ("config", "systemd")
_COMMIT: Final = "aoi_daemon/COMMIT"


def commit() -> str:
    """AOI_COMMIT of the environment, for a build without git; else as the program itself would say it."""
    told = os.environ.get("AOI_COMMIT", "").strip()
    if told:
        return told
    sys.path.insert(0, str(Path.cwd()))
    from aoi_daemon.version import commit as commit_of_this  # noqa: PLC0415  # a build does not begin in this folder's path

    return commit_of_this()


class BuildPy(build_py):  # type: ignore[misc]  # setuptools is not asked for its types
    """Modules, and the folders of `_SHIPPED` inside the package."""

    def run(self) -> None:
        """As setuptools does, then the folders and the commit."""
        if self.editable_mode:
            super().run()
            return
        package = Path(self.build_lib) / "aoi_daemon"
        # A former build may have left there what is no more.
        shutil.rmtree(package, ignore_errors=True)
        super().run()
        for name in _SHIPPED:
            shutil.copytree(name, package / "kit" / "shipped" / name)
        (package / "COMMIT").write_text(commit() + "\n", encoding="ascii")


class Sdist(sdist):  # type: ignore[misc]
    """The archive from which a wheel can be built: with the folders, this file and the commit."""

    def add_defaults(self) -> None:
        """What setuptools finds, and what it does not."""
        super().add_defaults()
        self.filelist.extend(
            str(path) for folder in (*_SHIPPED, "tools/wheel") for path in sorted(Path(folder).rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        )  # fmt: skip

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """The tree that is packed, with the commit written down."""
        super().make_release_tree(base_dir, files)
        (Path(base_dir) / _COMMIT).write_text(commit() + "\n", encoding="ascii")
