"""`[hmi]`: the operator's page, its users, metrics and health."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from aoi_daemon.config.host import Host, shown, split_port
from aoi_daemon.config.section import FilePath, Reload, Section

USERS_FILE: Final = "users.toml"
TOKENS_FILE: Final = "tokens.toml"

_OWN_PORT: Final = {"http": "80", "https": "443"}
_SHIFT: Final = r"^([01]\d|2[0-3]):[0-5]\d$"


def _origin(value: str) -> str:
    """SCHEME://HOST[:PORT] as a browser sends it: lower case, an IPv6 address short, without the scheme's own port."""
    scheme, found, rest = value.lower().partition("://")
    if scheme not in _OWN_PORT or not found or not rest:
        raise ValueError(f"{shown(value)} is not an address such as https://aoi.example:8443")
    if re.search(r"[/?#\\@]", rest.removesuffix("/")):
        raise ValueError(f"{shown(value)} has more than scheme, name and port; write https://aoi.example:8443")
    try:
        host, port = split_port(rest.removesuffix("/"))
    except ValueError as error:
        raise ValueError(f"{shown(value)}: {error}") from None
    if "%" in host:
        raise ValueError(f"{shown(value)}: no browser sends the interface of an address; leave % and what follows out")
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host)}]"
    return f"{scheme}://{host}" + (f":{port}" if port not in (None, _OWN_PORT[scheme]) else "")


_LEAST_PREFIX: Final = {4: 8, 6: 16}


def _proxy(value: str) -> str:
    """An address, or a network as 10.0.0.0/24, in its short form."""
    try:
        found = ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(
            f"{shown(value)}: {error}; write the address that the proxy connects from, as 10.0.0.5, or 10.0.0.0/24"
        ) from None
    if found.prefixlen < _LEAST_PREFIX[found.version]:
        raise ValueError(
            f"{shown(value)}: so large a network is no proxy's: whoever is in it could say to be anybody; write "
            f"the proxy's address, or a network of /{_LEAST_PREFIX[found.version]} or smaller"
        )
    return str(found.network_address if found.num_addresses == 1 else found)


Origin = Annotated[str, AfterValidator(_origin)]
Proxy = Annotated[str, AfterValidator(_proxy)]
ShiftStart = Annotated[str, Field(pattern=_SHIFT)]


class HmiSection(Section):
    """The operator's page, metrics and health, over HTTP."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    host: Host = Field(
        "127.0.0.1",
        description="Address that it listens on. One that other machines reach needs TLS, or `plain_http` said.",
    )
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
    proxies: Annotated[tuple[Proxy, ...], Strict(False)] = Field(
        (), max_length=16,
        description="Addresses of reverse proxies, as `10.0.0.5` or `10.0.0.0/24`: who they say asks, and by which "
        "scheme, is believed (`X-Forwarded-For`, `X-Forwarded-Proto`, `Forwarded`); of nobody else, this PC included.",
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
