"""Passwords: how they are kept, checked, and which are refused. Pure but for the random salt.

Kept with scrypt (RFC 7914) of the standard library, N = 2^15, r = 8, p = 3: one of the equal choices of the
OWASP Password Storage Cheat Sheet, and the one of 32 MiB, for a PC whose memory belongs to the inspection.
What may be a password follows NIST SP 800-63B-4, 3.1.1.2: at least 15 characters where it is the only factor, any
printing character and the space, no rules of composition, no expiry; what is guessed first is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from typing import Final, NamedTuple

MIN_CHARACTERS: Final = 15
MAX_CHARACTERS: Final = 256
"""Well above the 64 that NIST asks for, well below what would make hashing a way to load the PC."""

_LOG2_N: Final = 15
_R: Final = 8
_P: Final = 3
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
_COMMON: Final = ("password", "passwort", "qwertyuiop", "qwertzuiop", "aoidaemon", "inspection", "operator",
                  "maintenance", "quality", "letmein", "welcome", "administrator", "changeme", "iloveyou")  # fmt: skip
_RUNS: Final = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm",
                "qwertzuiopasdfghjklyxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm")  # fmt: skip
_LEAST_REST: Final = 8


class Kept(NamedTuple):
    """A kept password, taken apart."""

    log2_n: int
    r: int
    p: int
    salt: bytes
    key: bytes


def keep(password: str) -> str:
    """`password` as it is kept: `scrypt$log2(N)$r$p$salt$key`, the last two in base64."""
    made = Kept(_LOG2_N, _R, _P, secrets.token_bytes(_SALT_BYTES), b"")
    return _as_text(made._replace(key=_derive(password, made)))


def _as_text(kept: Kept) -> str:
    salt, key = (base64.b64encode(data).decode() for data in (kept.salt, kept.key))
    return f"scrypt${kept.log2_n}${kept.r}${kept.p}${salt}${key}"


def take_apart(kept: str) -> Kept:
    """The inverse of what `keep` writes. Raises ValueError, which never quotes what was read."""
    fields = kept.split("$")
    wrong = "is not what `aoi-daemon user password` writes; set it again"
    if len(fields) != 6 or fields[0] != "scrypt" or not all(field.isdecimal() for field in fields[1:4]):
        raise ValueError(wrong)
    try:
        salt, key = (base64.b64decode(field, validate=True) for field in fields[4:])
    except (binascii.Error, ValueError):
        raise ValueError(wrong) from None
    log2_n, r, p = (int(field) for field in fields[1:4])
    # Bounded from below against a weakened file, from above against one that eats the PC's memory and time.
    if not (14 <= log2_n <= 17 and r == _R and 1 <= p <= 16 and len(salt) >= _SALT_BYTES and len(key) == _KEY_BYTES):
        raise ValueError(wrong)
    return Kept(log2_n, r, p, salt, key)


def matches(password: str, kept: str | None) -> bool:
    """Whether `password` is the one kept; takes as long when there is none (`kept` None: never)."""
    found = take_apart(kept if kept is not None else _NOBODY)
    same = hmac.compare_digest(_derive(password[:MAX_CHARACTERS], found), found.key)
    return same and kept is not None and len(password) <= MAX_CHARACTERS


def refusal(password: str, name: str) -> str | None:
    """Why `password` is not taken for user `name`; None: it is."""
    text = unicodedata.normalize("NFC", password)
    if len(text) < MIN_CHARACTERS:
        return f"has {len(text)} characters, at least {MIN_CHARACTERS} are needed; several words make a good one"
    if len(text) > MAX_CHARACTERS:
        return f"has {len(text)} characters, at most {MAX_CHARACTERS} are taken"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn") for character in text):
        return "has a character that cannot be typed in a browser"
    if len(set(text)) < 5:
        return "repeats very few characters; take several words"
    rest = "".join(character for character in text.casefold() if character.isalnum())
    for guessed in (*_COMMON, *([name.casefold()] if len(name) > 2 else [])):
        rest = rest.replace(guessed, "")
    for run in _RUNS:
        rest = _without_runs(rest, run)
    if len(rest) < _LEAST_REST:
        return "is one of those that are guessed first (the name, a known word, a row of keys); take several words"
    return None


def _without_runs(text: str, run: str, length: int = 4) -> str:
    """`text` without any `length` characters that follow each other in `run`, or in its reverse."""
    for row in (run, run[::-1]):
        for start in range(len(row) - length + 1):
            text = text.replace(row[start : start + length], "")
    return text


def _derive(password: str, kept: Kept) -> bytes:
    # The same password typed on another keyboard may come in other code points.
    secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    n = 1 << kept.log2_n
    return hashlib.scrypt(
        secret, salt=kept.salt, n=n, r=kept.r, p=kept.p, maxmem=256 * kept.r * n, dklen=_KEY_BYTES
    )  # fmt: skip


_NOBODY: Final = _as_text(Kept(_LOG2_N, _R, _P, bytes(_SALT_BYTES), bytes(_KEY_BYTES)))
"""Hashed against for a name that nobody has."""
