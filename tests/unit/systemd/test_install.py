"""tools/install_service, into a folder: what it puts where, and what it leaves alone. No network, no venv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aoi_daemon.cli import main
from aoi_daemon.preflight import check

ROOT = Path(__file__).resolve().parents[3]

UNITS = "etc/systemd/system"
OURS = {
    f"{UNITS}/aoi-daemon.service", "etc/sysusers.d/aoi-daemon.conf", "etc/tmpfiles.d/aoi-daemon.conf",
    "etc/udev/rules.d/70-aoi-daemon.rules", "etc/systemd/journald@aoi-daemon.conf",
}  # fmt: skip


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_units_and_a_configuration_that_can_be_checked_are_installed(install):
    found = install("--no-program", "--drop-in", "cpu-affinity", "--drop-in", "gpu-persistence")
    assert found.returncode == 0, found.stderr
    drop_ins = {f"{UNITS}/aoi-daemon.service.d/{name}.conf" for name in ("cpu-affinity", "gpu-persistence")}
    assert {name for name in files(found.root) if not name.startswith("etc/aoi-daemon/")} == OURS | drop_ins
    assert check(found.root / "etc/aoi-daemon/line.toml").line.line.name
    assert all((found.root / name).stat().st_mode & 0o777 == 0o644 for name in OURS)
    assert "systemctl enable --now aoi-daemon" in found.stdout


def test_another_prefix_stands_in_the_unit(install):
    unit = (install("--no-program", "--prefix", "/srv/aoi").root / UNITS / "aoi-daemon.service").read_text()
    assert "ExecStart=/srv/aoi/bin/aoi-daemon run" in unit and "/opt/aoi-daemon" not in unit
    assert "--config /etc/aoi-daemon/line.toml" in unit


def test_a_configuration_that_is_there_is_never_touched(install):
    root = install("--no-program").root
    configuration = root / "etc/aoi-daemon"
    (configuration / "line.toml").write_text("mine")
    (configuration / "recipes/demo.toml").unlink()
    before = files(configuration)
    found = install("--no-program")
    assert found.returncode == 0 and "kept as it is" in found.stdout
    assert (configuration / "line.toml").read_text() == "mine"
    assert files(configuration) == before


def test_a_changed_unit_is_replaced_and_a_drop_in_of_ones_own_is_kept(install):
    root = install("--no-program").root
    (root / UNITS / "aoi-daemon.service").write_text("old")
    (root / UNITS / "aoi-daemon.service.d").mkdir()
    own = root / UNITS / "aoi-daemon.service.d/override.conf"
    own.write_text("[Service]\n")
    install("--no-program")
    assert "[Service]" in (root / UNITS / "aoi-daemon.service").read_text()
    assert own.read_text() == "[Service]\n"


def test_uninstall_leaves_configuration_and_what_is_not_ours(install):
    root = install("--no-program", "--drop-in", "jetson").root
    own = f"{UNITS}/aoi-daemon.service.d/override.conf"
    (root / own).write_text("[Service]\n")
    found = install("--uninstall")
    assert found.returncode == 0, found.stderr
    assert {name for name in files(root) if not name.startswith("etc/aoi-daemon/")} == {own}
    assert (root / "etc/aoi-daemon/line.toml").exists()
    assert "Kept: " in found.stdout
    assert install("--uninstall").returncode == 0, "again does no harm"


def test_uninstall_does_not_remove_a_folder_that_is_no_installation(install):
    root = install("--no-program").root
    (root / "opt/aoi-daemon").mkdir(parents=True)
    (root / "opt/aoi-daemon/data").write_text("mine")
    install("--uninstall")
    assert (root / "opt/aoi-daemon/data").exists()


def test_a_folder_with_something_else_in_it_is_not_installed_into(install):
    root = install("--dry-run").root
    (root / "opt/aoi-daemon").mkdir(parents=True)
    (root / "opt/aoi-daemon/data").write_text("mine")
    found = install()
    assert found.returncode == 1
    assert "is there, and no virtual environment; give another --prefix" in found.stderr
    assert files(root) == {"opt/aoi-daemon/data"}


def test_a_dry_run_says_everything_and_does_nothing(install):
    found = install("--dry-run", "--no-program", "--drop-in", "jetson")
    assert found.returncode == 0, found.stderr
    assert all(f"{found.root}/{name}" in found.stdout for name in OURS)
    assert not found.root.exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--bogus"], "unknown option --bogus"),
        (["--prefix"], "--prefix needs a value"),
        (["--prefix", ""], "--prefix needs a value"),
        (["--prefix", "opt/aoi"], "an absolute path"),
        (["--prefix", "/"], "a plain absolute path"),
        (["--prefix", "/opt/../etc"], "a plain absolute path"),
        (["--prefix", "/opt/a|b"], "letters, digits"),
        (["--prefix", "/home/anna/aoi"], "the service sees no such folder"),
        (["--drop-in", "nvidia"], "there are: cpu-affinity credentials"),
        (["--drop-in", "../x"], "there are: cpu-affinity"),
        (["--wheels", "/nowhere"], "no such folder"),
        (["--extras", "gpu;rm"], "names with commas"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_done(install, options, text):
    found = install(*options)
    assert found.returncode == 2
    assert text in found.stderr and found.stderr.count("\n") == 1
    assert not found.root.exists()


def test_help_has_examples(install):
    found = install("--help")
    assert found.returncode == 0 and "examples:" in found.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may install into /: for another user to run")
def test_installing_into_the_machine_itself_needs_root(install):
    found = install("--root", "/")
    assert found.returncode == 1 and "needs root" in found.stderr


# -- `aoi-daemon install`, which the script calls and a wheel brings -------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """`run(*options)`: `aoi-daemon install` from an environment in /opt; (exit code, output, errors)."""
    monkeypatch.setattr(sys, "prefix", "/opt/aoi")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")

    def call(*options):
        code = main(["install", *options])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_service_is_of_the_environment_that_installs_it(run, tmp_path):
    code, said, _ = run("--root", str(tmp_path))
    unit = (tmp_path / UNITS / "aoi-daemon.service").read_text()
    assert code == 0 and "ExecStart=/opt/aoi/bin/aoi-daemon run" in unit
    assert "/opt/aoi/bin/aoi-daemon check-config" in said


@pytest.mark.parametrize(
    ("prefix", "base", "executable", "why"),
    [
        ("/usr", "/usr", "/usr/bin/python3", "/usr is no virtual environment"),
        ("/home/anna/aoi", "/usr", "/usr/bin/python3", "/home/anna/aoi lies where the service sees nothing"),
        ("/root/aoi", "/usr", "/usr/bin/python3", "/root/aoi lies where"),
        ("/tmp/aoi", "/usr", "/usr/bin/python3", "/tmp/aoi lies where"),
        ("/opt/aoi", "/home/anna/.pyenv/versions/3.12", "/usr/bin/python3", "/home/anna/.pyenv/versions/3.12 lies where"),
        ("/opt/aoi", "/usr", "/root/python/bin/python3", "/root/python/bin/python3 lies where"),
        ("/opt/my line", "/usr", "/usr/bin/python3", "/opt/my line: letters, digits"),
    ],
)
def test_an_environment_that_no_service_can_be_of_is_refused_with_the_way_out(run, tmp_path, monkeypatch, prefix, base, executable, why):
    for name, value in (("prefix", prefix), ("base_prefix", base), ("executable", executable)):
        monkeypatch.setattr(sys, name, value)
    code, said, errors = run("--root", str(tmp_path))
    assert (code, said) == (1, "") and files(tmp_path) == set()
    assert why in errors and "sudo python3 -m venv /opt/aoi-daemon && sudo /opt/aoi-daemon/bin/pip install" in errors
    assert errors.count("\n") == 1
    code, said, errors = run("--root", str(tmp_path), "--dry-run")
    assert code == 0 and all(name in said for name in OURS), "what would be put where can be seen from anywhere"
    assert why in errors


def test_who_is_not_root_may_look_and_no_more(run, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code, said, _ = run("--dry-run")
    assert code == 0 and all(f" /{name}" in said for name in OURS)
    code, said, errors = run()
    assert (code, said) == (1, "") and "needs root" in errors


def test_the_starting_configuration_can_be_read_by_all_whatever_the_umask(run, tmp_path):
    was = os.umask(0o077)
    try:
        run("--root", str(tmp_path))
    finally:
        os.umask(was)
    assert (tmp_path / "etc/aoi-daemon/line.toml").stat().st_mode & 0o777 == 0o644


def test_the_script_needs_only_python(tmp_path):
    """It runs before the program is installed, by a Python that has no packages."""
    found = subprocess.run(
        [sys.executable, "-S", "-m", "aoi_daemon.kit.install", "--prefix", "/opt/aoi", "--root", str(tmp_path), "--dry-run"],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=60, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr


def test_what_was_switched_off_by_a_link_is_replaced_and_what_it_leads_to_is_untouched(run, tmp_path):
    """Units, drop-ins and rules are masked by links to /dev/null, whose mode is every program's business."""
    null, root = tmp_path / "null", tmp_path / "image"
    null.write_text("theirs")
    null.chmod(0o666)
    for name in OURS:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(null)
    code, _, errors = run("--root", str(root))
    assert code == 0, errors
    assert (null.read_text(), null.stat().st_mode & 0o777) == ("theirs", 0o666)
    assert all(not (root / name).is_symlink() and (root / name).stat().st_mode & 0o777 == 0o644 for name in OURS)


def test_a_configuration_on_a_disk_that_is_not_mounted_is_left_alone(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "image/etc/aoi-daemon").mkdir(parents=True)
    (tmp_path / "image/etc/aoi-daemon/line.toml").symlink_to(tmp_path / "data/line.toml")
    code, said, _ = run("--root", str(tmp_path / "image"))
    assert code == 0 and "kept as it is" in said
    assert files(tmp_path / "data") == set() and not (tmp_path / "image/etc/aoi-daemon/recipes").exists()


def test_an_environment_that_is_a_link_into_a_home_folder_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(os.path, "realpath", lambda path: {"/opt/aoi": "/home/anna/aoi"}.get(path, path))
    code, _, errors = run("--root", str(tmp_path))
    assert code == 1 and "/home/anna/aoi lies where the service sees nothing" in errors
