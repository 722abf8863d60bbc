"""What can be known to be wrong with `[hmi]` before the page starts. Reads files; for preflight alone."""

from __future__ import annotations

import importlib.util
import ssl
from pathlib import Path
from typing import Final

from aoi_daemon.config.hmi import HmiSection

PACKAGES: Final = ("starlette", "uvicorn", "httptools", "jinja2", "prometheus_client")
"""What the page needs beside the core."""


def packages_missing() -> list[str]:
    """What of PACKAGES is not installed."""
    return [package for package in PACKAGES if importlib.util.find_spec(package) is None]


def hmi_problems(section: HmiSection, folder: Path) -> list[str]:
    """What keeps the page from starting, each with its remedy; `folder` is where line.toml lies."""
    problems: list[str] = []
    missing = packages_missing()
    if missing:
        problems.append(f"[hmi]: needs {', '.join(missing)}: pip install 'aoi-daemon[hmi]', or take the section out")
    if section.tls_certificate is not None and section.tls_key is not None:
        problems += _tls_problems(folder / section.tls_certificate, folder / section.tls_key)
    return problems


def _tls_problems(certificate: Path, key: Path) -> list[str]:
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            return [f"hmi.{name} = {str(path)!r}: cannot be read: {error.strerror}"]
    try:
        # Without `password`, an encrypted key would ask for one on a terminal that nobody sits at.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        return [f"hmi.tls_certificate, hmi.tls_key: {certificate} and {key} are no PEM pair: {error.reason or error}"]
    except ValueError as error:
        return [f"hmi.tls_key = {str(key)!r}: {error}; write it without: openssl pkey -in KEY -out PLAIN"]
    return []


def _no_password() -> str:
    raise ValueError("the key is encrypted")
