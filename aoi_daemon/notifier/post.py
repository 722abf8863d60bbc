"""One attempt at a time for each receiver, in a thread of its own: whoever starts it never waits for a server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from aoi_daemon.config.notices import MailReceiver, Receiver
from aoi_daemon.notifier import hook, mail, message
from aoi_daemon.notifier.notice import Notice
from aoi_daemon.notifier.outcome import Outcome
from aoi_daemon.notifier.words import Wording

Deliver = Callable[[Receiver, Notice, "tuple[str, ...]", Wording], Outcome]
"""One attempt to deliver a notice to these addresses of a receiver, however long it takes."""


def addresses_of(receiver: Receiver) -> tuple[str, ...]:
    """Those that each notice is to reach; a webhook is one."""
    return receiver.to if isinstance(receiver, MailReceiver) else (hook.WHOLE,)


def over_the_network(folder: Path, timeout_s: float) -> Deliver:
    """The real way; `folder` is line.toml's."""

    def deliver(receiver: Receiver, notice: Notice, addresses: tuple[str, ...], wording: Wording) -> Outcome:
        if isinstance(receiver, MailReceiver):
            # All of them stand in it, also where some have it already: the same notice is the same mail.
            content = message.mail(notice, wording, receiver.sender, receiver.to)
            return mail.deliver(receiver, folder, content, addresses, timeout_s)
        return hook.deliver(receiver, folder, message.webhook(notice, wording), notice.id, timeout_s)

    return deliver


class Attempt:
    """Begins at once. `outcome` once it has ended; it never fails to have one."""

    def __init__(self, work: Callable[[], Outcome], begun_s: float) -> None:
        self.begun_s = begun_s
        self.outcome: Outcome | None = None

        def run() -> None:
            try:
                self.outcome = work()
            except Exception as error:  # noqa: BLE001  # a fault of this program must not leave a notice in the air
                what = f"{type(error).__name__}: {error}"
                remedy = "this is a fault of aoi-daemon: report it with the log"
                self.outcome = Outcome(what=what, remedy=remedy, of_server=True, unsure=True)

        self.thread = threading.Thread(target=run, name="notice", daemon=True)
        self.thread.start()
