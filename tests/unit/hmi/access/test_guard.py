"""Whose requests are our own: the pure part of the guard."""

import pytest
from starlette.datastructures import Headers

from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.hmi.access.guard import _own_names, host_is_ours, origin_is_ours
from aoi_daemon.hmi.access.page import local_path, login_page

SECTION = HmiSection(origins=["https://aoi.example"])


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8080", True), ("192.168.1.5", True), ("[::1]:8080", True), ("[fd00::5]", True), ("localhost:8080", True),
        ("aoi.example", True), ("AOI.EXAMPLE:443", True),
        ("evil.example", False), ("127.0.0.1.evil.example", False), ("aoi.example.evil.example", False), ("", False),
        ("[::1", False), ("localhost.evil.example:8080", False), ("x@127.0.0.1:8080", True),
    ],
)  # fmt: skip
def test_a_host_is_an_address_or_one_of_our_names(host, ours):
    assert host_is_ours(host, _own_names(SECTION)) is ours


@pytest.mark.parametrize(
    ("headers", "scheme", "ours"),
    [
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}, "http", True),
        ({"host": "aoi:80", "origin": "http://aoi"}, "http", True),
        ({"host": "aoi", "origin": "http://aoi:80"}, "http", True),
        ({"host": "AOI:8080", "origin": "http://aoi:8080"}, "http", True),
        ({"host": "aoi", "origin": "https://aoi"}, "https", True),
        ({"host": "127.0.0.1:8080", "origin": "https://aoi.example"}, "http", True),  # the proxy's
        ({"host": "127.0.0.1:8080"}, "http", True),  # no browser
        ({"host": "127.0.0.1:8080", "sec-fetch-site": "same-origin"}, "http", True),
        ({"host": "127.0.0.1:8080", "sec-fetch-site": "none"}, "http", True),
        ({"host": "127.0.0.1:8080", "sec-fetch-site": "cross-site"}, "http", False),
        ({"host": "127.0.0.1:8080", "sec-fetch-site": "same-site"}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8081"}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": "https://127.0.0.1:8080"}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": "http://evil.example"}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080.evil.example"}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": "null"}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": ""}, "http", False),
        ({"host": "127.0.0.1:8080", "origin": "http://evil.example", "sec-fetch-site": "same-origin"}, "http", False),
        ({"origin": "http://"}, "http", True),  # no host at all: the host's own check refuses it
    ],
)
def test_an_origin_is_this_server_or_one_of_its_names(headers, scheme, ours):
    assert origin_is_ours(Headers(headers), scheme, SECTION) is ours


@pytest.mark.parametrize("path", ["/", "/rejects?hour=3", "/teile/产线"])
def test_a_login_leads_back_to_a_page_of_ours(path):
    assert local_path(path) == path


@pytest.mark.parametrize("path", ["", "rejects", "//evil.example", "/\\evil.example", "\\/evil", "https://evil.example", "/\n/evil", "/\t/evil", "/" + "x" * 300])
def test_and_nowhere_else(path):
    assert local_path(path) == "/"


def test_what_is_put_into_the_login_page_is_text_there():
    page = login_page('<img src=x onerror="alert(1)">', "en", after='/"><script>alert(1)</script>')
    assert "<img" not in page and "<script" not in page


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_login_page_speaks_both_languages_the_lines_own_first(language):
    page = login_page("line-1", language)
    first, second = ("Password / 密码", "密码 / Password") if language == "en" else ("密码 / Password", "Password / 密码")
    assert first in page and second not in page and f'<html lang="{language}">' in page
