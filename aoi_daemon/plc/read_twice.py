"""A polled word that counts once it was read twice in a row. Pure."""

from __future__ import annotations


class ReadTwice:
    """`value` is the last that was read twice in a row; None before there is one."""

    def __init__(self) -> None:
        self.value: int | None = None
        self._read: int | None = None

    def read(self, value: int) -> bool:
        """Take in what was read; whether `value` has changed by it, which the first one does not."""
        again, self._read = value == self._read, value
        if not again or value == self.value:
            return False
        before, self.value = self.value, value
        return before is not None
