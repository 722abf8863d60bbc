"""Forced coils, seen from the supervisor: who asked plc, and what is told to whom and written down.

plc decides and writes; here the question waits for its answer. Renewals are
frequent, so the audit has the beginning and the end alone.
"""

from __future__ import annotations

import socket
from typing import Any, Final, NamedTuple

from aoi_daemon.stage.process import StageProcess
from aoi_daemon.supervisor.chronicle import Chronicle
from aoi_daemon.supervisor.control import answer

_ANSWER_NS: Final = 1_000_000_000


class _Question(NamedTuple):
    client: socket.socket
    by: str
    via: str
    word: int
    until_ns: int


class ForceDesk:
    """Passes on what persons ask, and what `plc` says of it."""

    def __init__(self, plc: StageProcess, chronicle: Chronicle) -> None:
        self._plc = plc
        self._chronicle = chronicle
        self._questions: dict[int, _Question] = {}
        self._number = 0
        self._by: tuple[str, str] | None = None
        self._pid = 0

    def force(self, client: socket.socket, word: object, by: str, via: str, now_ns: int) -> None:
        """A person forces `word` onto the coils, or renews it; plc's answer follows."""
        if type(word) is not int or not 0 <= word <= 0xFFFF:
            answer(client, {"ok": False, "error": f"word = {word!r}: must be a whole number from 0 to 65535"})
            return
        self._number += 1
        if not self._plc.tell(do="force", word=word, number=self._number):
            answer(client, {"ok": False, "error": "plc does not run"})
            return
        self._questions[self._number] = _Question(client, by, via, word, now_ns + _ANSWER_NS)

    def unforce(self, client: socket.socket, by: str, via: str) -> None:
        """A person gives the coils back."""
        forced = self._by is not None
        if forced:
            self._by = (by, via)  # who ended it is who the audit names
        self._plc.tell(do="unforce")
        answer(client, {"ok": True, "message": "the coils are the line's again" if forced else "nothing was forced"})

    def forced(self, message: dict[str, Any]) -> None:
        """The answer of plc."""
        question = self._questions.pop(message["number"], None)
        if question is None:
            return  # it came too late for who asked; what was forced ends by itself
        if message["began"]:
            self._by, self._pid = (question.by, question.via), self._plc.pid
            self._chronicle.audit("force", question.by, question.via, detail=f"begun: coils {question.word:016b}")
        error = message["error"]
        answer(question.client, {"ok": False, "error": error} if error else {"ok": True, "message": "forced"})

    def ended(self, why: str) -> None:
        """What was forced is over."""
        if self._by is not None:
            self._chronicle.audit("force", *self._by, detail=f"ended: {why}")
        self._by = None

    def look(self, now_ns: int) -> None:
        """Answer for a plc that does not."""
        if self._plc.pid != self._pid:
            self.ended("plc has ended")
        for number, question in list(self._questions.items()):
            if now_ns > question.until_ns:
                del self._questions[number]
                answer(question.client, {"ok": False, "error": "plc does not answer"})
