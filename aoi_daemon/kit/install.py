"""`aoi-daemon install`: the units, and a configuration to start from, for the program that is in PREFIX.

Needs nothing but Python, so that tools/install_service can run it before the program is there:
python3 -m aoi_daemon.kit.install.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoi_daemon.files import replace_file
from aoi_daemon.kit.files import shipped, starting_files

DEFAULT_PREFIX: Final = "/opt/aoi-daemon"
"""What the unit names as it came."""
_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9._+-]+)+")
_UNSEEN: Final = ("/home/", "/root/", "/tmp/", "/run/", "/var/tmp/")  # what the service does not see
_EXAMPLES: Final = f"""examples:
  sudo {DEFAULT_PREFIX}/bin/aoi-daemon install --drop-in gpu-persistence --drop-in cpu-affinity
  aoi-daemon install --dry-run --root /tmp/image    what would be put where
  sudo {DEFAULT_PREFIX}/bin/aoi-daemon install --uninstall

The program is the one that runs this, in a virtual environment where the service can see it:
  sudo python3 -m venv {DEFAULT_PREFIX}
  sudo {DEFAULT_PREFIX}/bin/pip install 'aoi_daemon-VERSION-py3-none-any.whl[hmi,mqtt]'

A file that is there is overwritten if it came from here (unit, drop-ins named, rules), and never in
/etc/aoi-daemon. Exit codes: 0 done, 1 it did not succeed, 2 wrong command line.
"""
_NEXT: Final = """
Next:
  1. {configuration}/line.toml: camera, PLC, recipe. Then, as root:
     {prefix}/bin/aoi-daemon check-config --config /etc/aoi-daemon/line.toml
     {prefix}/bin/aoi-daemon golden add --help      (good and bad parts of your product: READY needs them)
  2. systemctl enable --now aoi-daemon      (returns when the PLC has taken READY; until then: systemctl status)
  3. journalctl -u aoi-daemon -f"""


class InstallError(Exception):
    """It cannot be installed; the message has the remedy."""


class WrongOptionError(InstallError):
    """An option's value cannot be used."""


@dataclass
class Target:
    """What is done where: `root` is "" for this machine, else the folder of an image; `dry` only says it."""

    root: str
    dry: bool

    @property
    def live(self) -> bool:
        """Whether systemd runs on what is installed into."""
        return not self.root and shutil.which("systemctl") is not None and Path("/run/systemd/system").is_dir()

    def at(self, path: str) -> Path:
        """Where `path` of the installed system lies now."""
        return Path(f"{self.root}{path}")

    def say(self, *words: object) -> None:
        """What is done, as a command that a person could type."""
        print(shlex.join(str(word) for word in words), flush=True)

    def put(self, text: bytes, source: str, to: Path) -> None:
        """Write `text`, which came as `source`, to `to`, readable by all."""
        self.say("install", "-D", "-m", 644, source, to)
        if not self.dry:
            to.parent.mkdir(parents=True, exist_ok=True)
            # In place of what is there, not through it: a rule or unit that was switched off is a link to /dev/null.
            replace_file(to, text)

    def remove(self, file: Path) -> None:
        """Remove `file` if it is there."""
        if file.exists():
            self.say("rm", file)
            if not self.dry:
                file.unlink()

    def run(self, *words: str) -> None:
        """A command of the system; raises InstallError where it fails."""
        self.say(*words)
        if self.dry:
            return
        try:
            subprocess.run(words, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise InstallError(str(error)) from error


def own_prefix() -> str:
    """The virtual environment that runs this. Raises InstallError where a service cannot be of it."""
    remedy = (
        f"install it where the service sees it: sudo python3 -m venv {DEFAULT_PREFIX} && sudo {DEFAULT_PREFIX}/bin/pip "
        f"install 'aoi_daemon-*.whl[hmi,mqtt]' && sudo {DEFAULT_PREFIX}/bin/aoi-daemon install"
    )
    prefix = sys.prefix
    if prefix == sys.base_prefix:
        raise InstallError(f"{prefix} is no virtual environment; {remedy}")
    for place in {prefix, os.path.realpath(prefix), sys.base_prefix, os.path.realpath(sys.executable)}:
        if place.startswith(_UNSEEN):
            raise InstallError(f"{place} lies where the service sees nothing (ProtectHome=, PrivateTmp=); {remedy}")
    if not _PLAIN.fullmatch(prefix):
        raise InstallError(f"{prefix}: letters, digits and / . _ + - only, as the unit names it; {remedy}")
    return prefix


def checked_prefix(prefix: str) -> str:
    """`prefix` as it was given. Raises WrongOptionError where a unit cannot name it."""
    if re.search(r"[^A-Za-z0-9/._+-]", prefix):
        raise WrongOptionError(f"--prefix {prefix}: letters, digits and / . _ + - only, as the unit names it")
    if prefix.startswith(_UNSEEN):
        raise WrongOptionError(f"--prefix {prefix}: the service sees no such folder (ProtectHome=, PrivateTmp=)")
    if not prefix.startswith("/"):
        raise WrongOptionError(f"--prefix {prefix}: an absolute path")
    if not _PLAIN.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
        raise WrongOptionError(f"--prefix {prefix}: a plain absolute path, without a / at its end")
    return prefix


def drop_ins() -> list[str]:
    """The names of the drop-ins that came with the program."""
    return sorted(file.stem for file in (shipped("systemd") / "drop-ins").glob("*.conf"))


def _plain_files(target: Target) -> Iterator[tuple[str, Path]]:
    yield "aoi-daemon.sysusers.conf", target.at("/etc/sysusers.d/aoi-daemon.conf")
    yield "aoi-daemon.tmpfiles.conf", target.at("/etc/tmpfiles.d/aoi-daemon.conf")
    yield "70-aoi-daemon.rules", target.at("/etc/udev/rules.d/70-aoi-daemon.rules")
    yield "journald@aoi-daemon.conf", target.at("/etc/systemd/journald@aoi-daemon.conf")


def _unit(target: Target) -> Path:
    return target.at("/etc/systemd/system/aoi-daemon.service")


def _drop_in(target: Target, name: str) -> Path:
    return target.at(f"/etc/systemd/system/aoi-daemon.service.d/{name}.conf")


def install(target: Target, prefix: str, wanted: Sequence[str]) -> None:
    """Units, the drop-ins `wanted`, rules, and where there is none a configuration to start from."""
    came = shipped("systemd")
    running = target.live and _is_running()
    unit = (came / "aoi-daemon.service").read_text().replace(DEFAULT_PREFIX, prefix)
    target.put(unit.encode(), "systemd/aoi-daemon.service", _unit(target))
    for name, to in _plain_files(target):
        target.put((came / name).read_bytes(), f"systemd/{name}", to)
    for name in wanted:
        source = f"drop-ins/{name}.conf"
        target.put((came / source).read_bytes(), f"systemd/{source}", _drop_in(target, name))
    configuration = target.at("/etc/aoi-daemon")
    if os.path.lexists(configuration / "line.toml"):
        print(f"kept as it is: {configuration}")
    else:
        # The demo line, complete with its bundle: something to check the installation with, and to start from.
        target.say("aoi-daemon", "init", "--add", configuration)
        if not target.dry:
            copy_new(shipped("config"), configuration)
    _tell_managers(target, removed=False)
    print(_NEXT.format(configuration=configuration, prefix=prefix))
    if running:
        print("The unit has changed under a running service: systemctl restart aoi-daemon")


def uninstall(target: Target) -> None:
    """Take away what `install` put there; configuration, records and the user stay, and so does the program."""
    if target.live:
        with suppress(InstallError):  # never enabled, or gone already
            target.run("systemctl", "disable", "--now", "aoi-daemon")
    target.remove(_unit(target))
    for _, file in _plain_files(target):
        target.remove(file)
    for name in drop_ins():
        target.remove(_drop_in(target, name))
    if not target.dry:
        with suppress(OSError):  # not there, or with files of somebody else's
            _drop_in(target, "any").parent.rmdir()
    _tell_managers(target, removed=True)
    print(f"\nKept: {target.at('/etc/aoi-daemon')}, {target.at('/var/lib/aoi-daemon')} (records), and the user aoi.")


def copy_new(source: Path, to: Path) -> None:
    """Copy what a line starts from, of the folder `source`, to `to`; what is there already stays as it is."""
    for path in starting_files(source):
        there = to / path.relative_to(source)
        # A link that leads nowhere (a disk that is not mounted) is there, too.
        if not os.path.lexists(there):
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)


def _is_running() -> bool:
    found = subprocess.run(["systemctl", "is-active", "aoi-daemon"], check=False, capture_output=True, text=True)
    # `activating` is a daemon that waits for its PLC.
    return found.stdout.strip() in ("active", "activating", "reloading", "deactivating")


def _tell_managers(target: Target, *, removed: bool) -> None:
    if not target.live:
        return
    target.run("systemctl", "daemon-reload")
    if not removed:
        target.run("systemd-sysusers", "/etc/sysusers.d/aoi-daemon.conf")
        target.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/aoi-daemon.conf")
    if Path("/run/udev/control").is_socket():
        target.run("udevadm", "control", "--reload")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="aoi-daemon install", epilog=_EXAMPLES,
        description="Makes aoi-daemon a service of systemd, or takes the service away again. Run as root.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.add_argument("--prefix", metavar="DIR", help="where the program is (default: the environment that runs this)")
    made.add_argument(
        "--drop-in", action="append", default=[], metavar="NAME",
        help=f"also install this drop-in; may be given several times: {', '.join(drop_ins())}",
    )  # fmt: skip
    made.add_argument(
        "--root", default="", metavar="DIR", help="install under DIR, for an image; nothing of this machine is touched"
    )
    made.add_argument(
        "--uninstall", action="store_true", help="remove the units; configuration, records and the user aoi stay"
    )
    made.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    made.add_argument(
        "--check", action="store_true", help="say nothing, do nothing: can it be installed so? the exit code"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Install or uninstall; the exit code."""
    options = parser().parse_args(argv)
    try:
        _run(options)
    except WrongOptionError as error:
        print(f"aoi-daemon install: {error} (--help says more)", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except (InstallError, OSError) as error:
        print(f"aoi-daemon install: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    for name in options.drop_in:
        if name not in drop_ins():
            raise WrongOptionError(f"--drop-in {name}: there are: {' '.join(drop_ins())}")
    prefix, refused = "", ""
    if options.prefix is not None:
        prefix = checked_prefix(options.prefix)
    elif not options.uninstall:
        try:
            prefix = own_prefix()
        except InstallError as error:
            if not options.dry_run:
                raise
            prefix, refused = DEFAULT_PREFIX, str(error)
    root = options.root and str(Path(options.root).resolve()).rstrip("/")
    if not options.dry_run and not root and os.geteuid() != 0:
        raise InstallError("installing into / needs root: sudo, the same again")
    if options.check:
        return
    os.umask(0o022)
    target = Target(root, options.dry_run)
    if options.uninstall:
        uninstall(target)
    else:
        install(target, prefix, options.drop_in)
    if refused:
        print(f"\nnote: without --dry-run this is refused here: {refused}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
