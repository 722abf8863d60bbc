"""`[publisher]`: results to an MQTT broker."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import Field, field_validator, model_validator

from aoi_daemon.config.host import Peer
from aoi_daemon.config.section import FilePath, Reload, Section

_PLAIN_PORT: Final = 1883
_TLS_PORT: Final = 8883
_RATE_PER_S: Final = 500.0
_FILES: Final = ("ca", "certificate", "key")


class PublisherTls(Section):
    """TLS to the broker. Its certificate is always checked, and so is its name."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    ca: FilePath | None = Field(
        None, description="PEM file of the CA that signed the broker's certificate; absent: the system's CAs."
    )
    certificate: FilePath | None = Field(
        None, description="PEM file of this line's own certificate, where the broker asks for one."
    )
    key: FilePath | None = Field(None, description="PEM file of its key; absent: in the certificate's file.")

    @model_validator(mode="after")
    def _key_has_certificate(self) -> PublisherTls:
        if self.key is not None and self.certificate is None:
            raise ValueError("key needs certificate: name the PEM file of the certificate that it belongs to")
        return self


class PublisherSection(Section):
    """Results to an MQTT broker, QoS 1: each at least once, told apart by its `id`."""

    reload: ClassVar[Reload] = Reload.OFF_PATH

    host: Peer = Field(description="Address or name of the broker.")
    port: int | None = Field(None, ge=1, le=65_535, description="TCP port. Default: 1883, with TLS 8883.")
    protocol: Literal["5", "3.1.1"] = Field(
        "5",
        description="MQTT version. With `3.1.1` a broker has no way to say that it threw a message away: only for one that knows no 5.",
    )
    client_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="Name of this client; no two clients of a broker may share one. Default: `aoi-LINE`.",
    )  # fmt: skip
    topic: str | None = Field(
        None, min_length=1, max_length=200,
        description="Prefix of the topics: PREFIX/result, /alarm, /alarms, /state. Default: `aoi/LINE`.",
    )  # fmt: skip
    username: str | None = Field(None, min_length=1, max_length=255, description="User name at the broker.")
    password_file: FilePath | None = Field(
        None,
        description="File whose first line is the password; a bare name is looked for in `$CREDENTIALS_DIRECTORY` first (systemd's `LoadCredential=`).",
    )
    tls: PublisherTls | None = Field(None, description="TLS; absent: none. An empty `[publisher.tls]` will do.")
    keepalive_s: int = Field(
        30, ge=5, le=3600, description="A connection that was silent for so long is tried with a ping."
    )
    answer_s: float = Field(
        15.0, ge=0.5, le=300, description="A broker that has not confirmed for so long is connected anew."
    )
    reconnect_max_s: float = Field(
        30.0, ge=0.5, le=3600, description="Longest wait between reconnects; the first is 0.5 s."
    )
    in_flight: int = Field(
        100,
        ge=1,
        le=1000,
        description="Messages sent and not confirmed yet, at most (less where the broker allows less).",
    )
    include_passes: bool = Field(True, description="Publish passed parts too; false: rejects alone.")
    catch_up_per_s: int | None = Field(
        None, ge=10, le=100_000,
        description="Messages per second at most, when there are many to catch up with. Default: 500, or twice the line's parts where that is more.",
    )  # fmt: skip
    backlog_days: float = Field(
        7.0,
        ge=0.01,
        le=365,
        description="Results older than this are not published any more; they are counted as lost.",
    )

    @field_validator("topic")
    @classmethod
    def _plain_topic(cls, topic: str | None) -> str | None:
        if topic is None:
            return None
        if re.search(r"[+#\x00-\x1f\x7f]", topic):
            raise ValueError(
                f"{topic!r} has + or # or a control character in it, which a topic to publish to may not have"
            )
        if topic.startswith("$") or "" in topic.split("/"):
            raise ValueError(
                f"{topic!r}: a topic is words between single slashes, such as plant/hall-2/aoi-1, and no $ at its start"
            )
        return topic

    @model_validator(mode="after")
    def _password_has_user(self) -> PublisherSection:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs username: say whose password it is")
        return self

    @property
    def broker_port(self) -> int:
        """The TCP port, as configured or by custom."""
        return self.port or (_PLAIN_PORT if self.tls is None else _TLS_PORT)


def find_file(path: Path, folder: Path) -> Path:
    """Where a file named in the configuration is: a bare name may be a systemd credential; else it is from `folder`."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and len(path.parts) == 1 and (Path(credentials) / path).exists():
        return Path(credentials) / path
    return folder / path


def missing_files(section: PublisherSection, folder: Path) -> list[str]:
    """A problem for each file that `section` names and that is not there; `folder` is line.toml's.

    A bare name may be a credential, which nobody but the service can see, so that only the service misses it.
    """
    named = {"password_file": section.password_file}
    if section.tls is not None:
        named |= {f"tls.{key}": getattr(section.tls, key) for key in _FILES}
    return [
        f"publisher.{key} = {str(path)!r}: does not exist ({find_file(path, folder)})"
        for key, path in named.items()
        if path is not None
        and not find_file(path, folder).exists()
        and (len(path.parts) > 1 or "CREDENTIALS_DIRECTORY" in os.environ)
    ]


def check_line(section: PublisherSection, takt_ms: float, *, recorded: bool) -> None:
    """What must fit the rest of line.toml.

    Raises:
        ValueError: naming keys, values and the remedy.
    """
    if not recorded:
        raise ValueError(
            "[publisher] needs [recorder]: results are published from its records, "
            "which keep them while the broker is away; add [recorder], or remove [publisher]"
        )
    if section.catch_up_per_s is not None and section.catch_up_per_s < _least_per_s(takt_ms):
        raise ValueError(
            f"publisher.catch_up_per_s ({section.catch_up_per_s}) must be at least {_least_per_s(takt_ms):g} at "
            f"line.takt_ms = {takt_ms:g}: twice the parts of the line, else a backlog never ends"
        )


def rate_per_s(section: PublisherSection, takt_ms: float) -> float:
    """Messages per second at most, as configured or by default."""
    return section.catch_up_per_s or max(_RATE_PER_S, _least_per_s(takt_ms))


def _least_per_s(takt_ms: float) -> float:
    return 2000.0 / takt_ms
