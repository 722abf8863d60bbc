"""What the PLC is shown: the 16 coils and the register block, of the last verdict and of the line as it is now.

Pure but for the board's cells. State is latched: a verdict stays until the next one, a PASS no longer than READY. The
registers say all that the coils say, so that a PLC which reads them alone is as safe.
"""

from __future__ import annotations

from typing import Final

from aoi_daemon.plcmap import coils
from aoi_daemon.plcmap.coils import Result
from aoi_daemon.plcmap.registers import Flag, Report, encode_report, offset_of
from aoi_daemon.stage.board import Board, Cell

_HEARTBEAT: Final = offset_of("heartbeat")
_VERDICT: Final = offset_of("verdict")
_RECIPE: Final = offset_of("recipe")
_FLAGS: Final = offset_of("flags")
_SEQUENCE: Final = offset_of("sequence")


class Face:
    """Result, sequence, toggle and heartbeat. `number` is of the part that was decided last."""

    def __init__(self, board: Board, heartbeat_ns: int) -> None:
        self._board = board
        self._heartbeat_ns = heartbeat_ns
        self._report = encode_report(Report())
        self.number = board[Cell.PARTS]
        self.result = Result.NONE
        self.heartbeat = False
        self.beat_ns = 0
        """When the heartbeat is due."""
        self.count_ns = 0

    @property
    def toggle(self) -> bool:
        """RESULT_TOGGLE: flips with each verdict that is begun, and nothing else moves it, no restart of plc either."""
        return bool(self._board[Cell.RESULT_TOGGLE])

    def verdict(self, result: Result, number: int) -> None:
        """The verdict on part `number` is about to be written."""
        self.result, self.number = result, number
        self._board[Cell.RESULT_TOGGLE] = not self._board[Cell.RESULT_TOGGLE]

    def nothing(self, number: int) -> None:
        """There is no verdict on part `number`, or none any more: 00 with its sequence."""
        self.result, self.number = Result.NONE, number
        self._report = encode_report(Report())

    def beat(self, now_ns: int, *, moves: bool) -> None:
        """Toggle the heartbeat where it is due and everything `moves`."""
        if now_ns < self.beat_ns:
            return
        self.beat_ns += self._heartbeat_ns
        if self.beat_ns <= now_ns:
            self.beat_ns = now_ns + self._heartbeat_ns  # after a gap: no catching up
        if moves:
            self.heartbeat = not self.heartbeat

    def count(self, now_ns: int, *, moves: bool) -> None:
        """The same of the registers, which count: any other number is a beat, whether or not the coils show one."""
        if now_ns < self.count_ns:
            return
        self.count_ns += self._heartbeat_ns
        if self.count_ns <= now_ns:
            self.count_ns = now_ns + self._heartbeat_ns
        if moves:
            self._board.add(Cell.HEARTBEATS)

    def word(self, *, ready: bool, alarm: bool, run_permit: bool, overrun: bool) -> int:
        """The 16 coils."""
        return coils.pack(
            self.result, ready=ready, alarm=alarm, heartbeat=self.heartbeat, result_toggle=self.toggle,
            run_permit=run_permit, overrun=overrun, sequence=self.number,
        )  # fmt: skip

    def safe_word(self) -> int:
        """No verdict, not READY; the sequence tells what is old by now."""
        return coils.pack(result_toggle=self.toggle, sequence=self.number)

    def report(self, flags: Flag) -> list[int]:
        """The register block: that of the last verdict, with what has changed since."""
        found = self._report
        # A PLC that reads the registers alone takes a PASS by this word: it must not outlive READY there either.
        result = self.result if Flag.READY in flags or self.result is not Result.PASS else Result.NONE
        # A verdict's block names what it was judged by; between verdicts, what is in use: the answer to a request.
        found[_RECIPE] = self._board[Cell.RECIPE] & 0xFFFF
        found[_HEARTBEAT] = self._board[Cell.HEARTBEATS] & 0xFFFF
        found[_VERDICT] = result
        found[_FLAGS] = flags
        found[_SEQUENCE] = self.number & 0xFFFF
        return found

    def judged(self, report: list[int]) -> None:
        """`report` is the block of the verdict that is about to be written."""
        self._report = report

    def safe_report(self) -> list[int]:
        """No verdict and no flag."""
        self.nothing(self.number)
        return self.report(Flag(0))
