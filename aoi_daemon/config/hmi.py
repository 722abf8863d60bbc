"""`[hmi]`: the operator's page, its users, metrics and health."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Strict, model_validator

from aoi_daemon.config.section import FilePath, Reload, Section

USERS_FILE: Final = "users.toml"

_SHIFT: Final = r"^([01]\d|2[0-3]):[0-5]\d$"


def _origin(value: str) -> str:
    """`https://name[:port]`, as a browser sends it: lower case, without the scheme's own port."""
    parts = urlsplit(value.lower())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not an address such as https://aoi.example:8443")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{value!r} has more than scheme, name and port")
    own = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, own) else "")


Origin = Annotated[str, Field(max_length=255), AfterValidator(_origin)]
ShiftStart = Annotated[str, Field(pattern=_SHIFT)]


class HmiSection(Section):
    """The operator's page, metrics and health, over HTTP."""

    reload: ClassVar[Reload] = Reload.BESIDE

    host: str = Field(
        "127.0.0.1", min_length=1, max_length=255,
        description="Address that it listens on. One that other machines reach needs TLS, or `plain_http` said.",
    )  # fmt: skip
    port: int = Field(8080, ge=1, le=65_535, description="TCP port.")
    tls_certificate: FilePath | None = Field(
        None, description="PEM file with the certificate and its chain; with `tls_key`, the page speaks HTTPS."
    )
    tls_key: FilePath | None = Field(None, description="PEM file with the certificate's private key, unencrypted.")
    plain_http: bool = Field(
        False,
        description="Listen without TLS where others reach it: passwords can be read on the network.",
    )
    origins: Annotated[tuple[Origin, ...], Strict(False)] = Field(
        (), max_length=16,
        description="Further addresses of the page, as `https://aoi.example`: a DNS name, or a reverse proxy's. "
        "IP addresses, `localhost` and this PC's own name need no entry.",
    )  # fmt: skip
    users: FilePath | None = Field(
        None, description="File of users, mode 0600, kept by `aoi-daemon user`. Default: users.toml beside line.toml."
    )
    open_view: bool = Field(True, description="Looking needs no login; acting always does. false: both do.")
    session_min: float = Field(30.0, ge=1, le=1440, description="A login ends after so long without an action.")
    session_max_h: float = Field(12.0, ge=0.1, le=168, description="A login ends after so long in any case.")
    metrics: bool = Field(True, description="Serve `/metrics`, open to whoever reaches the port.")
    language: Literal["en", "zh"] = Field("en", description="Language of the page until a user chooses another.")
    shifts: Annotated[tuple[ShiftStart, ...], Strict(False)] = Field(
        ("06:00", "14:00", "22:00"), min_length=1, max_length=8,
        description="When the shifts begin, in local time, earliest first.",
    )  # fmt: skip

    @model_validator(mode="after")
    def _fits(self) -> HmiSection:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("hmi.tls_certificate and hmi.tls_key: give both, or none")
        if not (self.tls or self.plain_http or is_loopback(self.host)):
            raise ValueError(
                f"hmi.host = {self.host!r} is reached from other machines: give hmi.tls_certificate and hmi.tls_key, "
                "or say hmi.plain_http = true (passwords can then be read on the network)"
            )
        if list(self.shifts) != sorted(set(self.shifts)):
            raise ValueError(f"hmi.shifts: {list(self.shifts)} are not all different and earliest first")
        if self.session_min > self.session_max_h * 60:
            raise ValueError(
                f"hmi.session_min ({self.session_min:g}) is more than hmi.session_max_h ({self.session_max_h:g} h)"
            )
        return self

    @property
    def tls(self) -> bool:
        """Whether the page speaks HTTPS."""
        return self.tls_certificate is not None

    def users_file(self, folder: Path) -> Path:
        """The file of users; `folder` is where line.toml lies."""
        return folder / (self.users or USERS_FILE)


def is_loopback(host: str) -> bool:
    """Whether `host` is an address that no other machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
