"""The URL of a webhook: where it leads, how long it may be, and what of it may lie open in line.toml."""

import pytest
from pydantic import TypeAdapter, ValidationError

from aoi_daemon.config.weblink import Url, Weblink, parse_weblink


@pytest.mark.parametrize(("scheme", "port", "own"), [("http", 80, 443), ("https", 443, 80)])
def test_without_a_port_it_is_the_scheme_s_own_and_that_alone_is_not_shown(scheme, port, own):
    assert parse_weblink(f"{scheme}://a.example/x") == Weblink(scheme, "a.example", port, "/x")
    assert parse_weblink(f"{scheme}://a.example:{port}/x").shown == f"{scheme}://a.example"
    assert parse_weblink(f"{scheme}://a.example:{own}/x").shown == f"{scheme}://a.example:{own}"
    assert parse_weblink(f"{scheme}://[::1]:{own}/x").shown == f"{scheme}://[::1]:{own}"


@pytest.mark.parametrize(("url", "said"), [("a.example/x", "is no URL"), ("https", "is no URL"), ("://a.example", "is no URL"), ("ws://a.example", "is no URL")])
def test_what_is_no_url_of_the_web_is_refused(url, said):
    with pytest.raises(ValueError, match=said):
        parse_weblink(url)


@pytest.mark.parametrize("letter", ["\x20", "\x7f", "\n", "ö"])
def test_what_a_request_cannot_have_in_its_first_line_is_refused(letter):
    for url in (f"https://a.example/x{letter}", f"https://a.example/{letter}x", f"https://a{letter}.example/"):
        with pytest.raises(ValueError, match="write it as %XX"):
            parse_weblink(url)
    assert parse_weblink("https://a.example/!~").path == "/!~"


def test_it_has_2048_characters_at_most():
    longest = "https://a.example/".ljust(2048, "x")
    assert len(parse_weblink(longest).path) == 2048 - len("https://a.example")
    with pytest.raises(ValueError, match="has 2049 characters, of at most 2048"):
        parse_weblink(longest + "x")


@pytest.mark.parametrize(
    ("path", "is_secret"),
    [
        ("", False),
        ("hooks/line-1", False),
        ("abcdefghijklmno1", True),  # 16 of both kinds
        ("abcdefghijklmn1", False),
        ("abcdefghijklmnop", False),
        ("1234567890123456", False),
        ("hooks/abcdefghijklmno1/x", True),
        ("abcdefgh/ijklmno1", False),
        ("hooks?x", True),
        ("hooks?", False),
    ],
)
def test_a_url_that_looks_as_if_it_had_a_secret_does_not_stay_in_line_toml(path, is_secret):
    url = f"https://a.example/{path}"
    if not is_secret:
        assert TypeAdapter(Url).validate_python(url) == url
        return
    with pytest.raises(ValidationError, match=r"https://a\.example/\.\.\.: looks as if it has a secret"):
        TypeAdapter(Url).validate_python(url)
