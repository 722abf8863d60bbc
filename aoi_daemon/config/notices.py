"""`[notices]`: which alarms are told to whom, by mail or webhook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Union

from pydantic import AfterValidator, Field, Strict, model_validator

from aoi_daemon.config.hmi import Origin, is_loopback
from aoi_daemon.config.host import Peer, is_host, shown
from aoi_daemon.config.section import FilePath, Name, Reload, Section
from aoi_daemon.config.weblink import Url, parse_weblink

_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TAKEN_HEADERS: Final = ("content-type", "content-length", "host", "connection", "transfer-encoding", "idempotency-key")


def _address(text: str) -> str:
    local, _, domain = text.rpartition("@")
    if len(local) > 64 or _LOCAL_PART.fullmatch(local) is None or not is_host(domain) or ":" in domain:
        raise ValueError(
            f"{shown(text)} is no mail address such as anna@plant.example; write the address alone, in ASCII "
            "(a domain of another script as its xn-- name)"
        )
    return text


Address = Annotated[str, AfterValidator(_address)]
Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class MailReceiver(Section):
    """People who are told by mail, through one SMTP server. Its certificate is always checked, and so is its name."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    name: Name = Field(description="What rules call it.")
    host: Peer = Field(description="Address or name of the SMTP server.")
    port: int | None = Field(None, ge=1, le=65_535, description="TCP port. Default: 587; `tls` 465, `none` 25.")
    tls: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="`starttls`: TLS from the first moment after the greeting. `tls`: from the first byte. `none`: everything can be read on the network; not together with user.",
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file of the CA that signed the server's certificate; absent: the system's CAs."
    )
    user: Word | None = Field(None, description="User name at the server; absent: no login.")
    password_file: FilePath | None = Field(
        None,
        description="File whose first line is the password, not readable by everybody; a bare name is looked for in `$CREDENTIALS_DIRECTORY` first (systemd's `LoadCredential=`).",
    )
    sender: Address = Field(description="Address that the mail comes from.")
    to: Annotated[tuple[Address, ...], Strict(False)] = Field(
        min_length=1, max_length=20, description="Addresses that it goes to."
    )

    @model_validator(mode="after")
    def _fits(self) -> MailReceiver:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file: give both, or none")
        if self.user is not None and self.tls == "none" and not is_loopback(self.host):
            raise ValueError(
                'tls = "none" with user: the password could be read on the network; set tls to "starttls" or "tls", '
                "or leave user and password_file out"
            )
        if len(set(self.to)) < len(self.to):
            raise ValueError(f"to: {list(self.to)} are not all different")
        return self

    @property
    def server_port(self) -> int:
        """The TCP port, as configured or by custom."""
        return self.port or _PORTS[self.tls]


class WebhookReceiver(Section):
    """A web address that each notice is posted to as JSON (`aoi_daemon/notifier/schema.json`); `text` is for people."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    name: Name = Field(description="What rules call it.")
    url: Url | None = Field(None, description="Where it is, where the URL has no secret in it.")
    url_file: FilePath | None = Field(
        None, description="File whose first line is the URL, not readable by everybody: for one that is a secret itself."
    )
    header: str = Field(
        "Authorization", pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="Header that the token is sent in. In `Authorization` it is sent as `Bearer TOKEN`, in any other as it is.",
    )  # fmt: skip
    token_file: FilePath | None = Field(
        None, description="File whose first line is the token, not readable by everybody; absent: no token is sent."
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file of the CA that signed the server's certificate; absent: the system's CAs."
    )
    plain_http: bool = Field(False, description="Allow http://: token and notices can be read on the network.")

    @model_validator(mode="after")
    def _fits(self) -> WebhookReceiver:
        if (self.url is None) == (self.url_file is None):
            raise ValueError("url and url_file: give one of them")
        if self.header.lower() in _TAKEN_HEADERS:
            raise ValueError(f"header = {self.header!r}: is set by aoi-daemon itself; name the one that has the token")
        if self.url is not None:
            check_scheme(self, self.url)
        return self


def check_scheme(receiver: WebhookReceiver, url: str) -> None:
    """Raises ValueError where `url` goes over the network without TLS, and nobody has allowed that."""
    link = parse_weblink(url)
    if link.scheme == "http" and not receiver.plain_http and not is_loopback(link.host):
        raise ValueError(f"{link.shown} has no TLS: write https://, or say plain_http = true")


class NoticeRule(Section):
    """Which alarms are told to whom, and when."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    alarms: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), max_length=64, description='Names of alarms, such as "PLC_LINK"; or give priority.'
    )
    priority: Literal["high", "medium", "low"] | None = Field(
        None, description="All alarms of this priority or a higher one; or give alarms."
    )
    to: Annotated[tuple[Name, ...], Strict(False)] = Field(
        min_length=1, max_length=32, description="Names of receivers: of [[notices.mail]] and [[notices.webhook]]."
    )
    after_s: float = Field(
        10.0, ge=0, le=86_400,
        description="An alarm is told when it has been there for so long, or has come three times; 0: each one at once.",
    )  # fmt: skip
    repeat_minutes: float = Field(
        0.0, ge=0, le=10_080, description="Told again so often until it ends or a person acknowledges it; 0: never."
    )
    ended: bool = Field(True, description="Tell its end too, once it has been gone for settle_s.")
    quiet: str | None = Field(
        None, pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description='Local time, "22:00-06:00", in which nothing is told; what is still there afterwards is told then.',
    )  # fmt: skip

    @model_validator(mode="after")
    def _one_choice(self) -> NoticeRule:
        if bool(self.alarms) == (self.priority is not None):
            raise ValueError("alarms and priority: give one of them (every alarm: priority = \"low\")")
        if 0 < self.repeat_minutes < 1:
            raise ValueError(f"repeat_minutes ({self.repeat_minutes:g}) must be 0 or at least 1")
        if self.quiet is not None and self.quiet[:5] == self.quiet[6:]:
            raise ValueError(f"quiet = {self.quiet!r}: begins when it ends; give two times, or leave it out")
        return self

    def is_quiet(self, minute: int) -> bool:
        """Whether nothing is told at `minute` of the day (0 to 1439, local time)."""
        if self.quiet is None:
            return False
        begin, end = (int(time[:2]) * 60 + int(time[3:]) for time in self.quiet.split("-"))
        return begin <= minute < end if begin < end else minute >= begin or minute < end


Receiver = Union[MailReceiver, WebhookReceiver]  # noqa: UP007


class NoticesSection(Section):
    """Alarms told to people by mail or webhook."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    folder: FilePath = Field(
        Path("/var/lib/aoi-daemon/notices"),
        description="Where notices are kept until they are delivered; a relative path is taken from this file's folder.",
    )
    at_most_per_hour: int = Field(
        20, ge=4, le=1000,
        description="So many notices an hour to each receiver at most. A quarter is kept for alarms of high priority; what is held back is told in one line afterwards.",
    )  # fmt: skip
    settle_s: float = Field(
        60.0, ge=1, le=3600,
        description="An alarm that comes back within so long is the same one: it is told once, with how often it came.",
    )  # fmt: skip
    give_up_h: float = Field(
        24.0, ge=0.01, le=168, description="A notice that could not be delivered in so many running hours is given up, and that is said."
    )
    timeout_s: float = Field(
        30.0, ge=0.5, le=300, description="One attempt takes at most so long, the name service left out."
    )
    languages: Annotated[tuple[Literal["en", "zh"], ...], Strict(False)] = Field(
        (), max_length=2, description="Languages of the text (`en`, `zh`), one after the other. Default: that of the page."
    )
    page: Origin | None = Field(
        None, description="Address of the page for the link in a notice. Default: the first of hmi.origins, else no link."
    )
    mail: Annotated[tuple[MailReceiver, ...], Strict(False)] = Field((), max_length=16, description="Receivers by mail.")
    webhook: Annotated[tuple[WebhookReceiver, ...], Strict(False)] = Field(
        (), max_length=16, description="Receivers by webhook."
    )
    rules: Annotated[tuple[NoticeRule, ...], Strict(False)] = Field(
        min_length=1, max_length=64, description="Who is told what."
    )

    @model_validator(mode="after")
    def _names_meet(self) -> NoticesSection:
        if wrong := list(_name_problems(self)):
            raise ValueError("; ".join(wrong))
        return self

    @property
    def receivers(self) -> dict[str, Receiver]:
        """All of them, by name."""
        every: list[Receiver] = [*self.mail, *self.webhook]
        return {receiver.name: receiver for receiver in every}


def _name_problems(section: NoticesSection) -> Iterator[str]:
    names = [receiver.name for receiver in section.mail] + [receiver.name for receiver in section.webhook]
    if not names:
        yield "[notices] has no receiver: add [[notices.mail]] or [[notices.webhook]]"
    if len(set(names)) < len(names):
        yield f"notices: the names {sorted(names)} of receivers are not all different"
    told = {name for rule in section.rules for name in rule.to}
    for index, rule in enumerate(section.rules):
        for name in rule.to:
            if name not in names:
                yield f"notices.rules[{index}].to: no receiver is called {name!r} (there: {', '.join(names) or 'none'})"
    for name in names:
        if name not in told:
            yield f"notices: no rule has {name!r} in its `to`, so that nothing would ever be sent there"
