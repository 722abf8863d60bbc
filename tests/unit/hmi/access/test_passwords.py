"""Passwords: kept so that a stolen file costs, and refused where they would be guessed first."""

import base64
import hashlib

import pytest

from aoi_daemon.hmi.access import password as users_password
from aoi_daemon.hmi.access.password import MAX_CHARACTERS, keep, matches, refusal, take_apart

GOOD = "vier blaue Kisten am Band"


def test_the_right_password_matches_and_any_other_does_not(kept_password):
    password, kept = kept_password
    assert matches(password, kept)
    for wrong in ("", password[:-1], password + "x", password.upper()):
        assert not matches(wrong, kept)


def test_the_same_password_is_kept_differently_each_time(kept_password):
    password, kept = kept_password
    again = keep(password)
    assert again != kept and take_apart(again).salt != take_apart(kept).salt


def test_it_is_kept_with_the_costs_that_the_module_states(kept_password):
    found = take_apart(kept_password[1])
    assert (found.log2_n, found.r, found.p) == (15, 8, 3)
    assert len(found.salt) == 16 and len(found.key) == 32


def test_a_name_that_nobody_has_costs_the_same_work(monkeypatch):
    costs = []
    monkeypatch.setattr(hashlib, "scrypt", lambda *_, **options: costs.append((options["n"], options["r"], options["p"])) or bytes(32))
    # Even if the hash came out as the one that stands for nobody.
    assert not matches("whatever it may be", None)
    assert costs == [(1 << 15, 8, 3)]


def test_the_same_text_typed_in_other_code_points_matches(monkeypatch):
    seen = []
    monkeypatch.setattr(hashlib, "scrypt", lambda secret, **_: seen.append(secret) or bytes(32))
    for password in ("Br\u00fccke", "Bru\u0308cke"):
        matches(password, None)
    assert seen[0] == seen[1]


def test_a_huge_password_costs_no_more_and_never_matches(kept_password, monkeypatch):
    password, kept = kept_password
    real, seen = hashlib.scrypt, []
    monkeypatch.setattr(hashlib, "scrypt", lambda secret, **options: seen.append(len(secret)) or real(secret, **options))
    assert not matches(password + "x" * 1_000_000, kept)
    assert seen == [MAX_CHARACTERS]


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "kept",
    [
        "", "secret", "scrypt$15$8$3$AAAA", f"bcrypt$15$8$3${text(bytes(16))}${text(bytes(32))}",
        f"scrypt$13$8$3${text(bytes(16))}${text(bytes(32))}",  # too weak
        f"scrypt$30$8$3${text(bytes(16))}${text(bytes(32))}",  # eats the PC
        f"scrypt$15$8$99${text(bytes(16))}${text(bytes(32))}",
        f"scrypt$15$9$3${text(bytes(16))}${text(bytes(32))}",
        f"scrypt$15$8$3${text(bytes(4))}${text(bytes(32))}",
        f"scrypt$15$8$3${text(bytes(16))}${text(bytes(31))}",
        f"scrypt$15$8$3$not base64${text(bytes(32))}",
        f"scrypt$x$8$3${text(bytes(16))}${text(bytes(32))}",
        f"scrypt$-15$8$3${text(bytes(16))}${text(bytes(32))}",
    ],
)  # fmt: skip
def test_what_was_not_written_by_the_command_is_refused_and_never_quoted(kept):
    with pytest.raises(ValueError, match="set it again") as refused:
        take_apart(kept)
    assert not kept or kept not in str(refused.value)


@pytest.mark.parametrize("password", [GOOD, "correct horse battery staple", "产线旁的四个蓝色箱子和一只猫咪在睡觉", "x9$k2#m4!p7&q1*z"])
def test_a_long_one_is_taken_whatever_it_is_made_of(password):
    assert refusal(password, "anna") is None


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("", "has 0 characters, at least 15"),
        ("Tr0ub4dor&3", "has 11 characters, at least 15"),
        ("x" * 14, "has 14 characters"),
        ("ab" * 200, "at most 256"),
        ("aaaaaaaaaaaaaaaaaaaa", "repeats very few"),
        ("abababababababababab", "repeats very few"),
        ("anna anna anna anna anna ok", "guessed first"),
        ("password password 12", "guessed first"),
        ("qwertyuiopasdfghjkl", "guessed first"),
        ("1234567890123456789", "guessed first"),
        ("9876543210 9876543210", "guessed first"),
        ("AOI-daemon maintenance", "guessed first"),
        ("a b c d e f g h i j k l m", "guessed first"),
        ("four blue boxes\x00 here", "cannot be typed"),
        ("four blue boxes\ud800 here", "cannot be typed"),
    ],
)
def test_what_is_short_or_guessed_first_is_refused_with_the_reason(password, problem):
    assert problem in refusal(password, "anna")


def test_a_name_of_one_letter_does_not_spoil_every_word():
    assert refusal("einer der vielen Besen", "e") is None


def test_no_password_of_a_user_is_what_stands_for_nobody():
    assert not take_apart(users_password._NOBODY).key.strip(b"\0")
