"""A notice as bytes: a mail, and the JSON of a webhook. Pure. `schema.json` beside this file describes the JSON.

A mail is plain ASCII in short lines whatever is in it, so that it needs nothing of a server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from aoi_daemon.notifier.notice import Kind, Notice
from aoi_daemon.notifier.words import Wording
from aoi_daemon.publisher.payloads import times

VERSION: Final = 1
_POLICY: Final = SMTP.clone(cte_type="7bit")
_UNFOLDED: Final = _POLICY.clone(max_line_length=998)
_ID_DOMAIN_CHARS: Final = 30
_ZERO_WIDTH: Final = "\u200b"


def mail(notice: Notice, wording: Wording, sender: str, to: Sequence[str]) -> bytes:
    """The mail; the same notice is the same mail, with the same Message-ID, however often it is made."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = Address(f"aoi {wording.line}", addr_spec=sender)
    message["To"] = [Address(addr_spec=address) for address in to]
    message["Subject"] = wording.subject(notice)
    message["Date"] = format_datetime(datetime.fromtimestamp(notice.at, timezone.utc))
    message["Message-ID"] = _message_id(notice.id, sender)
    if notice.first:
        message["In-Reply-To"] = message["References"] = _message_id(notice.first, sender)
    # Nobody's out-of-office answer is wanted (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    if notice.priority == "HIGH" and notice.kind in (Kind.RAISED, Kind.STILL):
        message["Importance"] = "high"
    message.set_content(wording.body(notice) + "\n", charset="utf-8", cte="quoted-printable")
    # A line that needs no encoding is not folded: what comes of it differs from reader to reader.
    return message.as_bytes(policy=_UNFOLDED if wording.subject(notice).isascii() else _POLICY)


def _message_id(notice: str, sender: str) -> str:
    domain = sender.rpartition("@")[2]
    # A longer one would be folded, which some programs do not put together again.
    return f"<{notice}@{domain if len(domain) <= _ID_DOMAIN_CHARS else 'aoi-daemon.invalid'}>"


def webhook(notice: Notice, wording: Wording) -> bytes:
    """The JSON, in ASCII; the same notice is the same JSON."""
    known = notice.kind not in (Kind.TEST, Kind.HELD)
    body = {
        "schema": VERSION,
        "id": notice.id,
        "first": notice.first or None,
        "kind": notice.kind.value,
        "line": wording.line,
        "title": harmless(wording.subject(notice)),
        "text": harmless(wording.body(notice)),
        "alarm": notice.alarm if known else None,
        "priority": notice.priority if known else None,
        "detail": notice.detail,
        "count": notice.count,
        **_time("at", notice.at),
        **_time("since", notice.since),
        **_time("until", notice.until),
        "held": notice.held,
        "standing": list(notice.standing),
        "page": f"{wording.page}/alarms" if wording.page else None,
    }
    return json.dumps(body, separators=(",", ":")).encode()


def harmless(text: str) -> str:
    """`text` for a chat program, in which nobody is called and nothing is a link or a mark-up by accident."""
    return re.sub(r"@(?=\w)", f"@{_ZERO_WIDTH}", text.replace("<", "‹").replace(">", "›"))


def _time(name: str, at: float) -> dict[str, Any]:
    """`at` (Unix seconds; 0 for none) as the messages of the publisher have it."""
    return times(at, name) if at else {name: None, f"{name}_ms": None}
