"""The wheel alone, in an environment and a folder that know no checkout, makes a line and a service."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from aoi_daemon.kit.files import starting_files
from tests.wheel.made import ROOT, archive, build, cannot_build, copied, environment, install_beside

pytestmark = pytest.mark.skipif(bool(cannot_build()), reason=cannot_build())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    return install_beside(tmp_path_factory.mktemp("installed"), wheel)


@pytest.fixture
def call(installed, tmp_path):
    """`call(*words)`: `aoi-daemon` with these words, in an empty folder."""
    home, folder = tmp_path / "home", tmp_path / "empty"
    home.mkdir()
    folder.mkdir()

    def run(*words: str, program: str = "aoi-daemon", timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(installed / program), *words], check=False, capture_output=True, text=True, timeout=timeout_s,
            cwd=folder, env=environment(home=home), input="",
        )  # fmt: skip

    run.folder = folder
    return run


def files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }  # fmt: skip


def test_all_that_the_program_needs_is_in_it_and_nothing_else(wheel):
    """Modules, templates, what the page serves, schemas, the PLC's program; units and the starting configuration."""
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {name for name in files(ROOT / "aoi_daemon") if not re.fullmatch(r".*\.md|COMMIT", name)}
    start = {file.relative_to(ROOT).as_posix() for file in starting_files(ROOT / "config")}
    shipped = {f"kit/shipped/{name}" for name in start | {f"systemd/{name}" for name in files(ROOT / "systemd")}}
    wanted = {f"aoi_daemon/{name}" for name in ours | shipped | {"COMMIT"}}
    assert wanted - found == set()
    assert {name for name in found - wanted if not name.endswith(".md")} == set()


def test_what_a_line_leaves_in_a_checkout_is_in_no_wheel(tmp_path):
    """Who may log in, passwords, records: the wheel goes to other lines, and is unpacked so that all can read it."""
    top = copied(tmp_path)
    (top / "config/users.toml").write_text("theirs")
    (top / "config/records").mkdir()
    (top / "config/records/records.db").write_text("theirs")
    found = zipfile.ZipFile(build(tmp_path / "built", top)).namelist()
    assert [name for name in found if "users.toml" in name or "records.db" in name] == []
    assert "aoi_daemon/kit/shipped/config/line.toml" in found


def test_a_wheel_that_is_made_of_the_source_archive_is_the_same(wheel, tmp_path):
    top = archive(tmp_path, copied(tmp_path), "0123456789ab")
    made = zipfile.ZipFile(build(tmp_path / "built", top))
    assert set(made.namelist()) == set(zipfile.ZipFile(wheel).namelist())
    assert made.read("aoi_daemon/COMMIT") == b"0123456789ab\n"


def test_the_program_is_the_installed_one(call, installed):
    code = "import aoi_daemon, sys; print(aoi_daemon.__file__, *sys.path, sep='\\n')"
    found, *path = call("-c", code, program="python").stdout.splitlines()
    assert found.startswith(str(installed.parent))
    assert str(ROOT) not in path


def test_the_version_has_the_commit_that_it_was_built_from(call):
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], check=False, capture_output=True, text=True).stdout.strip()
    said = re.fullmatch(r"aoi-daemon (\S+) \(([0-9a-f]+)(?:\+changes)?\)\n", call("--version").stdout)
    if not head:
        pytest.skip("no git here: the commit is not known")
    assert said is not None and head.startswith(said[2])


@pytest.mark.line
def test_the_demo_runs(call, request):
    parts = request.config.getoption("--wheel-parts")
    found = call("demo", "--parts", str(parts), "--report", "report.json")
    assert found.returncode == 0, found.stderr
    assert json.loads((call.folder / "report.json").read_text())["parts"] >= parts
    assert files(call.folder) == {"report.json"}, "boards are drawn in the user's cache"


def test_a_new_folder_can_be_checked_and_its_product_is_proven(call):
    made = call("init", "x")
    assert made.returncode == 0, made.stderr
    assert "aoi-daemon check-config --config x/line.toml" in made.stdout
    checked = call("check-config", "--config", "x/line.toml")
    assert checked.returncode == 0, checked.stderr
    assert re.search(r"recipe demo: \d+ good and \d+ bad golden parts", checked.stdout)


def test_units_are_listed_for_a_service(call):
    found = call("install", "--dry-run", "--root", "r", "--drop-in", "cpu-affinity")
    assert found.returncode == 0, found.stderr
    image = call.folder / "r"
    for file in (ROOT / "systemd").glob("*.service"):
        assert f"{image}/etc/systemd/system/{file.name}" in found.stdout
    assert f"{image}/etc/systemd/system/aoi-daemon.service.d/cpu-affinity.conf" in found.stdout
    assert not image.exists()


def test_an_image_is_installed_into_and_its_configuration_holds(call):
    found = call("install", "--root", "r", "--prefix", "/opt/aoi")
    assert found.returncode == 0, found.stderr
    assert "ExecStart=/opt/aoi/bin/aoi-daemon run" in (call.folder / "r/etc/systemd/system/aoi-daemon.service").read_text()
    assert call("check-config", "--config", "r/etc/aoi-daemon/line.toml").returncode == 0


def test_the_plc_listens_until_the_one_who_started_it_ends(call):
    found = call("simulate-plc", "--json", "--port", "0")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["port"] > 0
