"""What it takes to reach the broker: from the configuration, its files read anew for each attempt.

A certificate that was renewed, or a password that was mended, is taken without a restart.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoi_daemon.config.publisher import PublisherSection, PublisherTls, find_file
from aoi_daemon.errors import AoiError

_MOST_PASSWORD_BYTES: Final = 65_535


class AccessError(AoiError):
    """A file that [publisher] names cannot be used. Says which, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what}; {remedy}")


@dataclass(frozen=True)
class Access:
    """Where the broker is, and who we are there. `folder` is that of line.toml."""

    section: PublisherSection
    line: str
    folder: Path

    @property
    def client_id(self) -> str:
        """Our name at the broker."""
        return self.section.client_id or f"aoi-{self.line}"

    @property
    def prefix(self) -> str:
        """What all topics begin with."""
        return self.section.topic or f"aoi/{self.line}"

    @property
    def where(self) -> str:
        """HOST:PORT."""
        return f"{self.section.host}:{self.section.broker_port}"

    def password(self) -> bytes | None:
        """The first line of the password file; None without one. Raises AccessError."""
        if self.section.password_file is None:
            return None
        path = find_file(self.section.password_file, self.folder)
        try:
            found = path.read_bytes()
        except OSError as error:
            raise AccessError(
                f"publisher.password_file: {path}: {error.strerror}",
                "put the password there, readable by the service's user alone, or use the unit's LoadCredential=",
            ) from error
        password = found.splitlines()[0] if found else b""
        if not 0 < len(password) <= _MOST_PASSWORD_BYTES:
            raise AccessError(
                f"publisher.password_file: {path}: its first line has {len(password)} bytes",
                f"a password has 1 to {_MOST_PASSWORD_BYTES}; write it into the file's first line",
            )
        return password

    def context(self) -> ssl.SSLContext | None:
        """For TLS; None where there is to be none. Raises AccessError."""
        tls = self.section.tls
        if tls is None:
            return None
        context = ssl.create_default_context()
        if tls.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._load_ca(context, tls.ca)
        if tls.certificate is not None:
            self._load_certificate(context, tls, tls.certificate)
        return context

    def warnings(self) -> list[str]:
        """What works and is not wise, in words."""
        found: list[str] = []
        if self.section.password_file is None:
            return found
        if self.section.tls is None and self.section.host not in ("localhost", "127.0.0.1", "::1"):
            found.append("the password goes over the network in clear: set [publisher.tls]")
        path = find_file(self.section.password_file, self.folder)
        if path.exists() and path.stat().st_mode & 0o007:
            found.append(f"{path} is open to every user: chmod 600 it")
        return found

    def _load_ca(self, context: ssl.SSLContext, name: Path) -> None:
        path = find_file(name, self.folder)
        try:
            context.load_verify_locations(cafile=str(path))
        except OSError as error:  # ssl.SSLError is one
            raise AccessError(
                f"publisher.tls.ca: {path}: {_why(error)}",
                "name the PEM file of the CA that signed the broker's certificate",
            ) from error

    def _load_certificate(self, context: ssl.SSLContext, tls: PublisherTls, name: Path) -> None:
        path = find_file(name, self.folder)
        key = find_file(tls.key, self.folder) if tls.key else None
        try:
            # Without a password of its own, OpenSSL would ask for an encrypted key's at the terminal.
            context.load_cert_chain(str(path), str(key) if key else None, password="")
        except (OSError, ValueError) as error:
            raise AccessError(
                f"publisher.tls.certificate: {path}{f' with key {key}' if key else ''}: {_why(error)}",
                "both must be PEM files that the service's user may read; the key must belong to the certificate "
                "and have no password",
            ) from error


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
