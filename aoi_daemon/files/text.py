"""Text files as people's editors leave them: read within a bound, as UTF-8, with or without a byte order mark.

A problem that is known to the place is worded `:LINE:COLUMN: ...`, to stand right behind the file's name; lines and
columns count from 1, columns in characters. Editors and terminals jump to it.
"""

from __future__ import annotations

import codecs
import errno
import os
from pathlib import Path
from typing import Final

from aoi_daemon.files.regular import NotRegularError, TooLargeError, read_regular

MOST_BYTES: Final = 4 * 2**20
"""Of a text file, unless told otherwise: more is another file than the one that was meant."""
_UTF_16: Final = "is UTF-16 text; save it as UTF-8"
_MARKS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TextError(ValueError):
    """What is wrong with a text, in words that follow its file's name: ` ...` or `:LINE:COLUMN: ...`."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        self.problem = f":{line}:{column}: {problem}" if line else problem
        super().__init__(self.problem)


def behind(file: object, problem: str) -> str:
    """`problem` behind its file's name, as an editor can jump to it where it begins with `:LINE:`."""
    return f"{file}{problem}" if problem.startswith(":") else f"{file}: {problem}"


def read_bytes(file: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """All of `file`, `most_bytes` at most.

    Raises:
        TextError: it is larger, or no file with an end (a pipe, a device).
        OSError: it cannot be read.
    """
    try:
        return read_regular(file, most_bytes)
    except NotRegularError as error:
        if error.what == "a folder":
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file)) from None
        raise TextError("is not a regular file") from None
    except TooLargeError as error:
        said = f"is larger than {most_bytes} bytes ({error.size_bytes}): it is another file than the one meant"
        raise TextError(said) from None


def decode(content: bytes) -> str:
    """The text in `content`, without its byte order mark.

    Raises:
        TextError: it is not UTF-8, or has a NUL in it.
    """
    if content.startswith(_MARKS):
        raise TextError(_UTF_16)
    content = content.removeprefix(codecs.BOM_UTF8)
    nul = content.find(0)
    if nul >= 0:
        if any(half.count(0) * 2 > len(half) for half in (content[::2], content[1::2])):
            raise TextError(_UTF_16)  # without its mark
        raise TextError("has a NUL byte, which no text has; write the file anew", *_place(content, nul))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise TextError(
            f"is not UTF-8 text (byte 0x{byte:02x}); save it as UTF-8", *_place(content, error.start)
        ) from None


def read_text(file: Path, most_bytes: int = MOST_BYTES) -> str:
    """The text in `file`. Raises as `read_bytes` and `decode`."""
    return decode(read_bytes(file, most_bytes))


def _place(content: bytes, at: int) -> tuple[int, int]:
    """Line and column of the byte `at`, before which all is UTF-8."""
    before = content[:at].decode("utf-8", "replace")
    return before.count("\n") + 1, len(before) - before.rfind("\n")
