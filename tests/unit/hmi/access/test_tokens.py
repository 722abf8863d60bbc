"""The file of tokens: only hashes in it, closed to others, complete or not at all; and the comparison."""

from __future__ import annotations

import stat

import pytest

from aoi_daemon.errors import ConfigError
from aoi_daemon.hmi.access import tokens
from aoi_daemon.hmi.access.tokens import MAX_TOKENS, TokenFile, change_tokens, hash_of, name_of, new_token, read_tokens


@pytest.fixture
def file(tmp_path):
    return tmp_path / "tokens.toml"


def test_only_a_hash_is_kept_and_nobody_else_reads_it(file):
    token = new_token()
    change_tokens(file, lambda found: found.update(mes=hash_of(token)))
    assert token not in file.read_text() and token.removeprefix("aoi_") not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert name_of(token, read_tokens(file)) == "mes"
    assert name_of(token[:-1], read_tokens(file)) is None and name_of("", read_tokens(file)) is None


def test_tokens_are_long_and_never_twice_the_same():
    made = {new_token() for _ in range(50)}
    assert len(made) == 50 and min(map(len, made)) >= 4 + 43


def test_all_of_them_are_compared_whichever_it_is(monkeypatch):
    compared = []
    monkeypatch.setattr(tokens.hmac, "compare_digest", lambda one, other: compared.append(other) or one == other)
    there = {name: hash_of(name) for name in ("a", "b", "c")}
    for token, name in (("a", "a"), ("c", "c"), ("x", None)):
        compared.clear()
        assert name_of(token, there) == name
        assert compared == list(there.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[users]", "users: unknown key"), ("tokens = 5", "must be a table"), ('[tokens]\n"a b" = "x"', "letters, digits"),
        ("[tokens]\nmes = 5", "tokens.mes: is not what `aoi-daemon token add` writes"), ('[tokens]\nmes = "ab"', "remove it and add it again"),
        (f'[tokens]\nmes = "{"a" * 64}"\nMES = "{"b" * 64}"', "two of one name"), ("[tokens", "is not TOML"),
        ("[tokens]\n" + "".join(f'n{number} = "{"a" * 64}"\n' for number in range(MAX_TOKENS + 1)), f"at most {MAX_TOKENS}"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it_is_named_and_nobody_gets_in(file, text, said):
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=r"tokens\.toml") as raised:
        TokenFile(file).now()
    assert said in str(raised.value) and "b" * 64 not in str(raised.value)


def test_one_that_others_read_is_refused_until_it_is_mended(file):
    change_tokens(file, lambda found: found.update(mes="a" * 64))
    kept = TokenFile(file)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 0600"):
        kept.now()
    file.chmod(0o600)
    assert kept.now() == {"mes": "a" * 64}


def test_no_more_than_so_many_are_made(file):
    with pytest.raises(ConfigError, match=f"has {MAX_TOKENS} tokens already"):
        change_tokens(file, lambda found: found.update({f"n{number}": "a" * 64 for number in range(MAX_TOKENS + 1)}))
    assert not file.exists()
