"""The wheel of this checkout, and environments that have it and nothing else of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LEAST_SETUPTOOLS: Final = 77


def cannot_build() -> str:
    """Why a wheel cannot be built here without a network; "" where it can."""
    found = metadata.version("setuptools") if _has("setuptools") else "none"
    if found == "none" or int(re.split(r"\D", found, maxsplit=1)[0]) < LEAST_SETUPTOOLS:
        return f"setuptools is {found}, {LEAST_SETUPTOOLS} is needed: ./tools/test brings it"
    return ""


def _has(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def copied(folder: Path) -> Path:
    """A copy in `folder` of what this checkout builds a wheel from: its top."""
    top = folder / "checkout"
    for name in ("aoi_daemon", "config", "systemd", "tools/wheel"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, top / name)
    return top


def archive(folder: Path, checkout: Path, commit: str) -> Path:
    """Pack `checkout` as source of `commit`, and unpack that into `folder`: its top. Raises CalledProcessError."""
    subprocess.run(
        [sys.executable, "-c", "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])", str(folder)],
        check=True, env={**environment(), "AOI_COMMIT": commit}, cwd=checkout, capture_output=True,
    )  # fmt: skip
    (packed,) = folder.glob("*.tar.gz")
    shutil.unpack_archive(packed, folder)
    return folder / packed.name.removesuffix(".tar.gz")


def build(folder: Path, checkout: Path = ROOT) -> Path:
    """Build the wheel of `checkout` into `folder`; nothing is left in it. Raises CalledProcessError."""
    work = folder / "work"
    work.mkdir(parents=True)
    configuration = work / "build.cfg"
    configuration.write_text(f"[build]\nbuild_base = {work}\n[egg_info]\negg_base = {work}\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(folder), str(checkout)],
        check=True, env={**environment(), "DIST_EXTRA_CONFIG": str(configuration)}, cwd=work,
    )  # fmt: skip
    (found,) = folder.glob("*.whl")
    return found


def environment(*, home: Path | None = None) -> dict[str, str]:
    """As a person's shell who has no checkout: nothing of Python's, nothing of ours."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "AOI_", "XDG_", "VIRTUAL_ENV"))}
    return kept if home is None else {**kept, "HOME": str(home)}


def install_beside(folder: Path, wheel: Path) -> Path:
    """A virtual environment in `folder` with `wheel`, which sees this one's packages; its bin/. No network."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, env=environment())
    (packages,) = folder.glob("lib/python*/site-packages")
    # A path that a .pth file names is searched last, and .pth files in it are not read: so not those that lead to the checkout.
    (packages / "beside.pth").write_text("".join(f"{path}\n" for path in dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *_more()))))
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True, env=environment(), cwd=folder,
    )  # fmt: skip
    return folder / "bin"


def _more() -> Sequence[str]:
    """Other folders of packages that this interpreter sees, but no checkout."""
    return [path for path in sys.path if path.endswith("site-packages") and Path(path).is_dir()]
