"""Send what waits while there is a broker, and come back to it when there was none."""

from __future__ import annotations

import random
import time
from typing import Any, Final

from aoi_daemon.publisher import payloads
from aoi_daemon.publisher.access import Access
from aoi_daemon.publisher.backlog import POLL_S, Backlog
from aoi_daemon.publisher.broker import Broker, Confirmed, Down, Up, Will
from aoi_daemon.publisher.live import AlarmNow, Live
from aoi_daemon.publisher.pace import Allowance, Backoff
from aoi_daemon.publisher.stream import Stream
from aoi_daemon.stage.logs import logger

_STATE_S: Final = 10.0
_LEAVE_S: Final = 1.0


class Link:
    """The way from the backlog to the broker. `state` is "ok", or what is wrong with the broker; `remedy` helps.

    `unheard` counts results that the broker took, and had nobody to give to.
    """

    def __init__(self, access: Access, backlog: Backlog, live: Live, run: str, rate_per_s: float) -> None:
        self._log = logger()
        self._access = access
        self._backlog = backlog
        self._live = live
        self._run = run
        self._broker = Broker(access, Will(self._topic("state"), payloads.offline(access.line)))
        self._backoff = Backoff(access.section.reconnect_max_s)
        self._allowance = Allowance(rate_per_s, time.monotonic())
        self._streams: tuple[tuple[str, Stream], ...] = (
            (self._topic("alarm"), backlog.alarms),
            (self._topic("result"), backlog.results),
        )
        self._open_due_s = 0.0
        self._opened = False
        self._room = 0  # what the broker takes unconfirmed
        self._deaf = False  # it has been said on this connection that nobody subscribes
        self._told: dict[str, Any] | None = None
        self._told_alarms: list[AlarmNow] | None = None
        self._look_due_s = self._state_due_s = 0.0
        self._logged = ""
        self.state = "connecting"
        self.remedy = ""
        self.unheard = 0

    def step(self) -> None:
        """Connect or reconnect where it is time to, take in what the broker says, send what there is room for."""
        now = time.monotonic()
        if not self._opened and now >= self._open_due_s:
            self._opened = True
            self._broker.open()
        for happening in self._broker.wait(self._patience_s(now)):
            if isinstance(happening, Up):
                self._up(happening)
            elif isinstance(happening, Confirmed):
                self._confirmed(happening)
            else:
                self._down(happening)
        self._send()

    @property
    def address(self) -> str:
        """What the broker's host was resolved to, for the last connection; "" before the first."""
        return self._broker.address

    def leave(self) -> None:
        """Say that we are going, and wait a moment for what is on its way."""
        said = False
        until = time.monotonic() + _LEAVE_S
        while self._broker.up and time.monotonic() < until:
            if not said and self._has_room():
                self._publish("state", payloads.offline(self._access.line, time.time()))
                said = True
            for happening in self._broker.wait(0.05):
                if isinstance(happening, Confirmed):
                    self._confirmed(happening)
            if said and not self._broker.unconfirmed:
                break
        # Where it could not be said, the will says it.
        self._broker.close(with_leave=said and not self._broker.unconfirmed)

    def _patience_s(self, now: float) -> float:
        """How long to wait for the broker before the records, or the board, are looked at again."""
        if not self._has_room():
            return POLL_S
        waiting = any(stream.waiting for _, stream in self._streams)
        return self._allowance.wait_s(now, POLL_S) if waiting else POLL_S

    def _up(self, up: Up) -> None:
        self._room = min(self._access.section.in_flight, up.in_flight)
        self._told = self._told_alarms = None
        self._look_due_s = 0.0
        self._deaf = False

    def _confirmed(self, confirmed: Confirmed) -> None:
        if self.state != "ok":
            # Not before: a broker may greet us, and then refuse whatever we send.
            self.state, self.remedy, self._logged = "ok", "", ""
            self._log.info("broker_up", broker=self._access.where, backlog=self._backlog.size)
        for topic, stream in self._streams:
            if stream.confirm(confirmed.message) and stream is self._backlog.results and not confirmed.heard:
                self._unheard(topic)

    def _unheard(self, topic: str) -> None:
        self.unheard += 1
        if not self._deaf:
            self._deaf = True
            self._log.warning(
                "nobody_subscribes", topic=topic, broker=self._access.where,
                remedy="what nobody subscribes to is thrown away: subscribe with a session that outlives the consumer",
            )  # fmt: skip

    def _down(self, down: Down) -> None:
        self._room = 0
        self._opened = False
        self._open_due_s = time.monotonic() + self._backoff.wait_s(down.held_s, random.random())
        for _, stream in self._streams:
            stream.rewind()
        self.state, self.remedy = down.trouble
        if self._logged != self.state:
            self._logged = self.state
            self._log.warning("broker_down", broker=self._access.where, error=self.state, remedy=self.remedy)

    def _send(self) -> None:
        now = time.monotonic()
        if now >= self._look_due_s:
            self._look_due_s = now + POLL_S
            if self._has_room():
                self._send_state(now)
            if self._has_room():
                self._send_alarms()
        left = self._allowance.left(now)
        for topic, stream in self._streams:
            while left and self._has_room() and (row := stream.take()) is not None:
                assert row.payload is not None
                stream.sent(row, self._broker.publish(topic, row.payload))
                self._allowance.spend()
                left -= 1

    def _has_room(self) -> bool:
        return self._broker.up and self._broker.unconfirmed < self._room

    def _send_state(self, now: float) -> None:
        state = {**self._live.state(), "lost": self._backlog.lost}
        if state == self._told and now < self._state_due_s:
            return
        self._told = state
        self._state_due_s = now + _STATE_S
        fields = {**state, **self._live.counts(), "backlog": self._backlog.size}
        self._publish("state", payloads.state(self._access.line, time.time(), self._run, fields))

    def _send_alarms(self) -> None:
        rows = self._live.alarms()
        if rows != self._told_alarms:
            self._told_alarms = rows
            self._publish("alarms", payloads.alarms(self._access.line, time.time(), rows))

    def _publish(self, name: str, payload: bytes) -> None:
        self._broker.publish(self._topic(name), payload, retain=True)

    def _topic(self, name: str) -> str:
        return f"{self._access.prefix}/{name}"
