"""The unit files, by systemd's own checkers where they are installed."""

from __future__ import annotations

import configparser
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aoi_daemon.cli import parser
from aoi_daemon.config.schema import LineConfig, RealtimeSection
from aoi_daemon.supervisor import attendants, keeper
from aoi_daemon.supervisor.notices import EXTEND_S, too_short

FOLDER = Path(__file__).resolve().parents[3] / "systemd"
DROP_INS = sorted(path.stem for path in (FOLDER / "drop-ins").iterdir())
EXPOSURE = 2.0
SECOND = 1_000_000_000


@functools.cache
def manual(name):
    return subprocess.run([name, "--help"], check=False, capture_output=True, text=True).stdout


def tool(name, *arguments, needs=""):
    """Run a program of systemd's; skip, with the reason, where it is not there or cannot do that."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {'udev' if name == 'udevadm' else 'systemd'})")
    if needs and needs not in manual(name):
        pytest.skip(f"{name} of this systemd does not know {needs}")
    return subprocess.run([name, *arguments], check=False, capture_output=True, text=True, timeout=60)


def version():
    found = tool("systemd-analyze", "--version").stdout
    return int(re.search(r"systemd (\d+)", found).group(1))


@pytest.fixture
def unit(tmp_path):
    """`unit(drop_in)`: a copy of the service whose program is there, beside its drop-in."""

    def make(drop_in=None):
        # The checker wants an executable, and this machine has none in /opt.
        text = (FOLDER / "aoi-daemon.service").read_text().replace("/opt/aoi-daemon/bin/aoi-daemon", sys.executable)
        (tmp_path / "aoi-daemon.service").write_text(text)
        if drop_in is not None:
            (tmp_path / "aoi-daemon.service.d").mkdir()
            shutil.copy(FOLDER / "drop-ins" / f"{drop_in}.conf", tmp_path / "aoi-daemon.service.d")
        return tmp_path / "aoi-daemon.service"

    return make


def exposure(file):
    found = tool("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE * 10:.0f}", str(file), needs="--threshold")
    figure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", found.stdout).group(1))
    return figure, found.returncode


@pytest.mark.parametrize("drop_in", [None, *DROP_INS])
def test_systemd_understands_every_line(unit, drop_in):
    if drop_in == "notify-reload" and version() < 253:
        pytest.skip("Type=notify-reload needs systemd 253 or newer")
    found = tool("systemd-analyze", "verify", str(unit(drop_in)))
    assert (found.stderr, found.returncode) == ("", 0)


def test_a_line_that_systemd_does_not_understand_is_found(unit):
    file = unit()
    file.write_text(file.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in tool("systemd-analyze", "verify", str(file)).stderr


def test_the_exposure_is_at_most_2(unit, capsys):
    figure, code = exposure(unit())
    with capsys.disabled():
        sys.stdout.write(f"\naoi-daemon.service: systemd-analyze security: exposure {figure}\n")
    assert code == 0 and figure <= EXPOSURE


@pytest.mark.parametrize("drop_in", DROP_INS)
def test_no_drop_in_lifts_the_exposure_over_2(unit, drop_in):
    figure, code = exposure(unit(drop_in))
    assert code == 0 and figure <= EXPOSURE


@pytest.fixture
def image(tmp_path):
    """A root file system in which the user has been made."""
    (tmp_path / "etc/tmpfiles.d").mkdir(parents=True)
    found = tool("systemd-sysusers", f"--root={tmp_path}", str(FOLDER / "aoi-daemon.sysusers.conf"), needs="--root")
    assert found.returncode == 0, found.stderr
    return tmp_path


def test_the_user_and_its_groups_are_made(image):
    user = next(line for line in (image / "etc/passwd").read_text().splitlines() if line.startswith("aoi:"))
    assert user.endswith("/var/lib/aoi-daemon:/usr/sbin/nologin")
    groups = {line.split(":")[0]: line for line in (image / "etc/group").read_text().splitlines()}
    assert groups["video"].endswith(":aoi") and groups["render"].endswith(":aoi")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_the_folders_are_made_and_the_credentials_are_roots_alone(image):
    shutil.copy(FOLDER / "aoi-daemon.tmpfiles.conf", image / "etc/tmpfiles.d/aoi-daemon.conf")
    (image / "etc/aoi-daemon").mkdir()
    (image / "etc/aoi-daemon/users.toml").write_text("")
    found = tool("systemd-tmpfiles", f"--root={image}", "--create", "aoi-daemon.conf", needs="--root")
    assert (found.returncode, found.stderr) == (0, "")
    uid = int((image / "etc/passwd").read_text().split(":")[2])
    looks = {
        path: ((image / path).stat().st_mode & 0o777, (image / path).stat().st_uid, (image / path).stat().st_gid)
        for path in ("etc/aoi-daemon", "etc/aoi-daemon/credentials", "etc/aoi-daemon/users.toml")
    }
    assert list(looks.values()) == [(0o750, 0, uid), (0o700, 0, 0), (0o600, uid, uid)]


def test_the_udev_rules_are_understood():
    found = tool("udevadm", "verify", str(FOLDER / "70-aoi-daemon.rules"), needs="verify")
    assert found.returncode == 0, found.stdout + found.stderr


# -- the unit and the program agree -------------------------------------------------


@pytest.fixture(scope="module")
def service():
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str
    found.read(FOLDER / "aoi-daemon.service")
    return found["Service"]


def test_the_watchdog_waits_for_what_the_default_configuration_allows(service):
    line = LineConfig.model_validate({"cameras": [{"kind": "replay", "source": "."}]})
    assert too_short(int(service["WatchdogSec"]) * SECOND, line) == ""


def test_a_start_that_goes_on_asks_again_before_its_time_is_over(service):
    assert int(service["WatchdogSec"]) < EXTEND_S


def test_the_manager_waits_longer_for_the_end_than_the_supervisor_does(service):
    stages_s = 3 * keeper._STOP_S
    assert int(service["TimeoutStopSec"]) > stages_s + attendants._STOP_NS / SECOND + 5


def test_every_priority_that_may_be_configured_is_allowed(service):
    bounds = [
        bound.le for name, field in RealtimeSection.model_fields.items() if name.endswith("_priority")
        for bound in field.metadata if hasattr(bound, "le")
    ]  # fmt: skip
    assert bounds and max(bounds) <= int(service["LimitRTPRIO"])


@pytest.mark.parametrize("key", ["ExecStart", "ExecReload"])
def test_the_commands_of_the_unit_are_commands_of_the_program(service, key):
    program, *words = shlex.split(service[key])
    assert program == "/opt/aoi-daemon/bin/aoi-daemon"
    assert parser().parse_args(words).command == {"ExecStart": "run", "ExecReload": "reload"}[key]
