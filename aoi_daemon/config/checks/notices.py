"""What can be known to be wrong with `[notices]` before its process starts. Reads files; for preflight alone."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from aoi_daemon.config.notices import MailReceiver, NoticesSection, Receiver, WebhookReceiver, check_scheme
from aoi_daemon.config.publisher import find_file

SECRETS: Final = ("password_file", "url_file", "token_file")
_EVERYBODY: Final = 0o007


def notices_problems(section: NoticesSection, folder: Path, alarms: Collection[str]) -> Iterator[str]:
    """A line for each problem, with its remedy; `folder` is line.toml's, `alarms` are the names that there are."""
    for index, rule in enumerate(section.rules):
        for name in rule.alarms:
            if name not in alarms:
                near = difflib.get_close_matches(name.upper(), alarms)
                remedy = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(alarms)}"
                yield f"notices.rules[{index}].alarms: no alarm is called {name!r} ({remedy})"
    keeps = folder / section.folder
    there = next((path for path in (keeps, *keeps.parents) if os.path.lexists(path)), keeps)
    if os.path.lexists(there) and not os.path.isdir(there):  # noqa: PTH112  Path.is_dir raises where nobody may look
        yield f"notices.folder = {str(section.folder)!r}: {there} is no folder; name one, or remove what is there"
    kinds: tuple[tuple[str, tuple[Receiver, ...]], ...] = (("mail", section.mail), ("webhook", section.webhook))
    for kind, receivers in kinds:
        for index, receiver in enumerate(receivers):
            for problem in _file_problems(receiver, folder):
                yield f"notices.{kind}[{index}].{problem}"


def _file_problems(receiver: Receiver, folder: Path) -> Iterator[str]:
    for key in (*SECRETS, "ca_file"):
        named = getattr(receiver, key, None)
        if named is None:
            continue
        path = find_file(named, folder)
        if not path.exists():
            # A bare name may be a credential, which nobody but the service can see.
            if len(named.parts) > 1 or "CREDENTIALS_DIRECTORY" in os.environ:
                yield f"{key} = {str(named)!r}: does not exist ({path})"
        elif key in SECRETS:
            yield from _secret_problems(receiver, key, path)


def _secret_problems(receiver: Receiver, key: str, path: Path) -> Iterator[str]:
    try:
        secret = read_secret(path)
    except ValueError as error:
        yield f"{key}: {error}"
        return
    if isinstance(receiver, WebhookReceiver) and key == "url_file":
        try:
            check_scheme(receiver, secret)
        except ValueError as error:
            yield f"{key}: {path}: {error}"


def read_secret(path: Path) -> str:
    """The first line of `path`. Raises ValueError, which shows nothing of it, where it cannot be used."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            first = file.readline(4098).rstrip(b"\r\n")  # the longest, and its end
    except PermissionError:
        raise ValueError(f"{path} cannot be read: give it to the service's user (chown), or its group") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; write the secret into its first line, and chmod 600 it") from None
    if mode & _EVERYBODY:
        raise ValueError(f"{path} is open to every user: chmod 600 it (640 with the service's group)")
    if not 0 < len(first) <= 4096 or not all(0x20 <= byte < 0x7F for byte in first):
        raise ValueError(f"{path}: its first line must be 1 to 4096 printable ASCII characters")
    return first.decode()


def ca_of(receiver: MailReceiver | WebhookReceiver, folder: Path) -> Path | None:
    """The file of its CA; None for the system's."""
    return None if receiver.ca_file is None else find_file(receiver.ca_file, folder)
