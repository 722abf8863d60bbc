"""One attempt to post a notice to a webhook. Blocks for as long as its `Call` allows; for a thread of its own.

No redirect is followed, and no proxy of the environment is used: the token goes to the host that was named, or nowhere.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Final

from aoi_daemon import __version__
from aoi_daemon.config.checks.notices import ca_of, read_secret
from aoi_daemon.config.notices import WebhookReceiver, check_scheme
from aoi_daemon.config.publisher import find_file
from aoi_daemon.config.weblink import Weblink, parse_weblink
from aoi_daemon.notifier.dial import Call, context_of
from aoi_daemon.notifier.outcome import Outcome, one_line
from aoi_daemon.notifier.trouble import too_slow, unreachable, unusable

_BODY_BYTES: Final = 2048
_MOST_WAIT_S: Final = 3600.0
_CONFIGURED: Final = (401, 403, 404, 407)
"""Of the token or the address: a person may mend it while the notice waits."""
_LATER: Final = (408, 425, 429)
WHOLE: Final = ""
"""The one address of a webhook."""


def deliver(receiver: WebhookReceiver, folder: Path, body: bytes, notice: str, timeout_s: float) -> Outcome:
    """One attempt to post `body`, the notice with the id `notice`; `folder` is line.toml's."""
    keys = f"notices.webhook {receiver.name}"
    secrets: list[str] = []
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"aoi-daemon/{__version__}",
        "Idempotency-Key": notice,
        "Connection": "close",
    }
    try:
        url = receiver.url or ""
        if receiver.url_file is not None:
            url = read_secret(find_file(receiver.url_file, folder))
            secrets += [url]
        link = parse_weblink(url)
        secrets += [link.path] if receiver.url_file is not None and len(link.path) > 1 else []
        check_scheme(receiver, url)
        if receiver.token_file is not None:
            token = read_secret(find_file(receiver.token_file, folder))
            secrets.append(token)
            headers[receiver.header] = f"Bearer {token}" if receiver.header.lower() == "authorization" else token
        context = context_of(ca_of(receiver, folder)) if link.scheme == "https" else None
    except (OSError, ValueError) as error:
        return unusable(error, keys)
    with Call(timeout_s) as call:
        outcome = _post(call, link, context, headers, body, keys=keys, timeout_s=timeout_s)
    return outcome.without(secrets)


def _post(
    call: Call, link: Weblink, context: ssl.SSLContext | None, headers: dict[str, str], body: bytes,
    *, keys: str, timeout_s: float,
) -> Outcome:  # fmt: skip
    kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
    connection = kind(link.host, link.port, timeout=call.left_s())
    connection.auto_open = 0
    sent = False
    try:
        connection.sock = call.connect(link.host, link.port, context)
        sent = True
        connection.request("POST", link.path, body, headers)
        response = connection.getresponse()
        said = one_line(response.read(_BODY_BYTES).decode("utf-8", "replace"))
    except Exception as error:  # noqa: BLE001  # whatever a server makes of the client: it is worded, and tried again
        wrong = too_slow(link.shown, timeout_s, keys) if call.expired else unreachable(error, link.shown, keys)
        return replace(wrong, unsure=sent)
    finally:
        connection.close()
    return _judged(response, said, link, keys)


def _judged(response: http.client.HTTPResponse, said: str, link: Weblink, keys: str) -> Outcome:
    status = response.status
    answer = one_line(f"{status} {response.reason}" + (f": {said}" if said else ""))
    what = f"{link.shown} answers {answer}"
    if 200 <= status < 300:
        return Outcome(done=(WHOLE,), said=answer)
    if 300 <= status < 400:
        remedy = f"no redirect is followed; name its new URL in {keys}"
        return Outcome(what=f"{link.shown} answers {status}: it has moved", remedy=remedy, of_server=True, said=answer)
    if status in _CONFIGURED:
        return Outcome(what=what, remedy=f"check the URL and the token of {keys}", of_server=True, said=answer)
    if status in _LATER or status >= 500 or status < 200:
        asked = response.headers.get("Retry-After", "")
        wait_s = min(_MOST_WAIT_S, float(asked)) if asked.isascii() and asked.isdecimal() and len(asked) < 9 else 0.0
        return Outcome(what=what, remedy="none: it is tried again", of_server=True, wait_s=wait_s, said=answer)
    remedy = f"does {keys} take such JSON? Its fields are in aoi_daemon/notifier/schema.json, `text` is for people"
    return Outcome(refused=(WHOLE,), what=what, remedy=remedy, said=answer)
