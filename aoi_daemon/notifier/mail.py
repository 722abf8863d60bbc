"""One attempt to deliver a mail. Blocks for as long as its `Call` allows; for a thread of its own.

An answer of 4xx is tried again. 5xx to the mail, or to an address, is the last word on it; to the greeting or the login
it is a matter of the configuration, which a person may mend while the notice waits.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.checks.notices import ca_of, read_secret
from aoi_daemon.config.notices import MailReceiver
from aoi_daemon.config.publisher import find_file
from aoi_daemon.notifier.dial import Call, context_of
from aoi_daemon.notifier.outcome import Outcome, one_line
from aoi_daemon.notifier.trouble import too_slow, unreachable, unusable

_MOST_BYTES: Final = 64 * 1024
"""Of all that a server says in one conversation."""
_LOOK: Final = "the server's administrator can say why; check sender and to"


class _RefusedError(Exception):
    """The server does not go on: `outcome` says why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.what)


class _Bounded:
    """What a server says, line by line, and no more than _MOST_BYTES of it."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _MOST_BYTES

    def readline(self, limit: int) -> bytes:
        line: bytes = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0:
            raise OSError(f"the server says more than {_MOST_BYTES} bytes")
        return line

    def close(self) -> None:
        self._file.close()


class _Smtp(smtplib.SMTP):
    """The standard library's client over a `Call`; `sent` once the mail has begun to go out."""

    def __init__(self, call: Call, receiver: MailReceiver, context: ssl.SSLContext | None) -> None:
        self._call = call
        self._context = context if receiver.tls == "tls" else None
        self.sent = False
        # Its own default asks the name service for this PC's name.
        super().__init__(receiver.host, receiver.server_port, local_hostname="localhost", timeout=call.left_s())

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        return self._call.connect(host, port, self._context)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()

    def begin_tls(self, host: str, context: ssl.SSLContext) -> None:
        """STARTTLS. What was said before it counts no longer."""
        code, said = self.docmd("STARTTLS")
        if code != 220:
            raise _RefusedError(_of_server("the server refuses STARTTLS", code, said))
        assert self.sock is not None
        self.sock = self._call.secure(self.sock, host, context)
        self.file = None  # with all that came in clear
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False


def deliver(
    receiver: MailReceiver, folder: Path, message: bytes, addresses: Sequence[str], timeout_s: float
) -> Outcome:
    """One attempt to deliver `message` to `addresses`; `folder` is line.toml's."""
    at, keys = f"{receiver.host}:{receiver.server_port}", f"notices.mail {receiver.name}"
    secrets: list[str] = []
    smtp: _Smtp | None = None
    try:
        context = None if receiver.tls == "none" else context_of(ca_of(receiver, folder))
        if receiver.password_file is not None:
            secrets.append(read_secret(find_file(receiver.password_file, folder)))
    except (OSError, ValueError) as error:
        return unusable(error, keys)
    with Call(timeout_s) as call:
        try:
            smtp = _Smtp(call, receiver, context)
            _greet(smtp, receiver, context, secrets)
            outcome = _hand_over(smtp, receiver.sender, message, addresses)
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        except _RefusedError as refused:
            outcome = refused.outcome
        except smtplib.SMTPConnectError as error:
            outcome = _of_server("the server refuses to talk", error.smtp_code, error.smtp_error)
        except Exception as error:  # noqa: BLE001  # whatever a server makes of the client: it is worded, and tried again
            outcome = too_slow(at, timeout_s, keys) if call.expired else unreachable(error, at, keys)
            if smtp is not None and smtp.sent:
                outcome = replace(outcome, what=f"no answer to the mail: {outcome.what}", unsure=True)
        finally:
            if smtp is not None:
                smtp.close()
    return outcome.without(secrets)


def _greet(smtp: _Smtp, receiver: MailReceiver, context: ssl.SSLContext | None, secrets: list[str]) -> None:
    """Up to where a mail may be handed over. Raises _RefusedError, OSError, SMTPException."""
    own = smtp.sock.getsockname()[0] if smtp.sock is not None else "127.0.0.1"
    # The address: this PC's name is often known to nobody, and many servers refuse such a one.
    smtp.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"
    smtp.ehlo_or_helo_if_needed()
    if receiver.tls == "starttls":
        assert context is not None
        if not smtp.has_extn("starttls"):
            what = "the server offers no STARTTLS"
            remedy = 'the port may expect TLS at once: tls = "tls" (465 by custom), or this is not the right port (587)'
            raise _RefusedError(Outcome(what=what, remedy=remedy, of_server=True))
        smtp.begin_tls(receiver.host, context)
        smtp.ehlo_or_helo_if_needed()
    if receiver.user is None:
        return
    try:
        smtp.login(receiver.user, secrets[0])
    except smtplib.SMTPNotSupportedError:
        remedy = "leave user and password_file out, or use its port for clients (587)"
        raise _RefusedError(Outcome(what="the server offers no login", remedy=remedy, of_server=True)) from None
    except smtplib.SMTPAuthenticationError as error:
        refused = _of_server("the login is refused", error.smtp_code, error.smtp_error)
        remedy = "check user and password_file; some providers want a password made for programs (app password)"
        raise _RefusedError(replace(refused, remedy=remedy)) from None


def _hand_over(smtp: _Smtp, sender: str, message: bytes, addresses: Sequence[str]) -> Outcome:
    code, said = smtp.mail(sender)
    if code // 100 != 2:
        return _answer("the sender is refused", code, said, addresses)
    taken: list[str] = []
    refused: list[str] = []
    wrong = Outcome()
    for address in addresses:
        code, said = smtp.rcpt(address)
        if code // 100 == 2:
            taken.append(address)
            continue
        answer = _answer(f"{address} is refused", code, said, [address])
        refused += answer.refused
        wrong = replace(answer, what=one_line(f"{wrong.what}; {answer.what}" if wrong.what else answer.what, 400))
        if code == 421:  # it closes the connection
            return replace(wrong, refused=tuple(refused), of_server=True)
    if not taken:
        with suppress(OSError, smtplib.SMTPException):
            smtp.rset()
        return replace(wrong, refused=tuple(refused))
    code, said = smtp.docmd("DATA")
    if code == 354:
        smtp.sent = True
        smtp.send(re.sub(rb"(?m)^\.", b"..", message) + b".\r\n")
        code, said = smtp.getreply()
        if code // 100 == 2:
            return replace(wrong, done=tuple(taken), refused=tuple(refused), said=_said(code, said))
    last = _answer("the mail is refused", code, said, taken)
    unsure = smtp.sent and code // 100 not in (4, 5)
    return replace(last, refused=(*refused, *last.refused), unsure=unsure)


def _answer(what: str, code: int, said: bytes, addresses: Sequence[str]) -> Outcome:
    """5xx is the last word for `addresses`."""
    refused = tuple(addresses) if code // 100 == 5 else ()
    return Outcome(refused=refused, what=f"{what}: {_said(code, said)}", remedy=_LOOK, said=_said(code, said))


def _of_server(what: str, code: int, said: bytes | str) -> Outcome:
    words = _said(code, said)
    return Outcome(what=f"{what}: {words}", remedy="its administrator can say why", of_server=True, said=words)


def _said(code: int, said: bytes | str) -> str:
    text = said if isinstance(said, str) else said.decode("utf-8", "replace")
    return one_line(f"{code} {text}")
