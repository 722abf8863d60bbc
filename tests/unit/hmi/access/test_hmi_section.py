"""`[hmi]`: what it takes, what it refuses, and what is known to be wrong before the page starts."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from aoi_daemon.config.checks import hmi as hmi_check
from aoi_daemon.config.checks.hmi import hmi_problems
from aoi_daemon.config.hmi import HmiSection, is_loopback


def test_by_itself_the_page_is_for_this_pc_alone_and_looking_is_open():
    section = HmiSection()
    assert is_loopback(section.host) and section.open_view and not section.tls and section.metrics


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "aoi.example"])
def test_an_address_that_others_reach_needs_tls_or_the_word_for_none(host):
    with pytest.raises(ValidationError, match=r"hmi\.tls_certificate and hmi\.tls_key, or say hmi\.plain_http = true"):
        HmiSection(host=host)
    assert HmiSection(host=host, plain_http=True).host == host
    assert HmiSection(host=host, tls_certificate="c.pem", tls_key="k.pem").tls


def test_a_session_may_end_by_rest_just_when_it_ends_by_age():
    assert HmiSection(session_min=60.0, session_max_h=1.0).session_min == 60.0
    with pytest.raises(ValidationError, match=r"hmi.session_min \(61\) is more than hmi.session_max_h \(1 h\)"):
        HmiSection(session_min=61.0, session_max_h=1.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_the_pcs_own_address_needs_none(host):
    assert HmiSection(host=host).host == host


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"tls_certificate": "c.pem"}, "give both, or none"),
        ({"tls_key": "k.pem"}, "give both, or none"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"port": 65_536}, "less than or equal to 65535"),
        ({"session_min": 0.5}, "greater than or equal to 1"),
        ({"session_min": 600.0, "session_max_h": 1.0}, "hmi.session_min"),
        ({"shifts": ["14:00", "06:00"]}, "earliest first"),
        ({"shifts": ["06:00", "06:00"]}, "not all different"),
        ({"shifts": ["24:00"]}, "pattern"),
        ({"shifts": ["6:00"]}, "pattern"),
        ({"shifts": []}, "at least 1"),
        ({"language": "de"}, "'en' or 'zh'"),
        ({"origins": ["aoi.example"]}, "is not an address such as"),
        ({"origins": ["ftp://aoi.example"]}, "is not an address such as"),
        ({"origins": ["https://aoi.example/page"]}, "more than scheme, name and port"),
        ({"origins": ["https://anna@aoi.example"]}, "more than scheme, name and port"),
        ({"origins": ["https://aoi.example:99999"]}, "'99999' for its port, which is 1 to 65535"),
        ({"origins": ["https://aoi.example:0443"]}, "'0443' for its port"),
        ({"origins": ["https://aoi.example:"]}, "'' for its port"),
        ({"origins": ["https://192.168.000.010"]}, 'octal.*write "192.168.0.10"'),
        ({"origins": ["https://10.5"]}, "has 2 groups"),
        ({"origins": ["https://::1"]}, "brackets around an IPv6 address"),
        ({"origins": ["https://[aoi]:1"]}, "brackets around an IPv6 address alone"),
        ({"origins": ["https://[fe80::1%eth0]"]}, "no browser sends the interface"),
        ({"origins": [" https://aoi.example"]}, "is not an address such as"),
        ({"origins": ["https://aoi.example "]}, "has a blank"),
        ({"origins": ["https://"]}, "is not an address such as"),
        ({"host": "127.000.000.001"}, "octal"),
        ({"open_view": 1}, "valid boolean"),
        ({"hots": "::1"}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_said(keys, problem):
    with pytest.raises(ValidationError, match=problem):
        HmiSection(**keys)


def test_an_origin_is_kept_as_browsers_send_it():
    section = HmiSection(origins=["HTTPS://AOI.example:443/", "http://aoi:8080", "https://[FD00:0::1]:8443"])
    assert section.origins == ("https://aoi.example", "http://aoi:8080", "https://[fd00::1]:8443")


def test_it_survives_the_way_to_its_process():
    section = HmiSection(users=Path("people.toml"), shifts=["05:30", "13:30"], origins=["https://a.example"])
    assert HmiSection.model_validate_json(section.model_dump_json()) == section


def test_users_lie_beside_line_toml_unless_said_otherwise():
    folder = Path("/etc/aoi-daemon")
    assert HmiSection().users_file(folder) == folder / "users.toml"
    assert HmiSection(users=Path("/srv/u.toml")).users_file(folder) == Path("/srv/u.toml")
    assert HmiSection(users=Path("u.toml")).users_file(folder) == folder / "u.toml"


def test_a_missing_package_is_said_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(hmi_check, "PACKAGES", ("starlette", "no_such_package_here"))
    (problem,) = hmi_problems(HmiSection(), tmp_path)
    assert "no_such_package_here" in problem and "starlette" not in problem and "aoi-daemon[hmi]" in problem


@pytest.fixture(scope="module")
def pem(tmp_path_factory) -> Path:
    """a.pem with a.key, b.key of another, and a.key behind a password."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    folder = tmp_path_factory.mktemp("pem")

    def run(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder, timeout=60)

    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=aoi", "-days", "2"]
    run(*new, "-keyout", "a.key", "-out", "a.pem")
    run(*new, "-keyout", "b.key", "-out", "b.pem")
    run("pkey", "-in", "a.key", "-aes256", "-passout", "pass:secret", "-out", "locked.key")
    return folder


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        ("a.pem", "a.key", None),
        ("gone.pem", "a.key", "hmi.tls_certificate = .*gone.pem'.*No such file"),
        ("a.pem", "gone.key", "hmi.tls_key = .*gone.key'.*No such file"),
        ("a.pem", "b.key", "no PEM pair: KEY_VALUES_MISMATCH"),
        ("a.key", "a.key", "no PEM pair"),
        ("a.pem", "locked.key", "the key is encrypted; write it without: openssl pkey"),
    ],
)
def test_certificate_and_key_must_be_a_pair_that_opens_by_itself(pem, certificate, key, problem):
    import re

    found = hmi_problems(HmiSection(tls_certificate=certificate, tls_key=key), pem)
    if problem is None:
        assert found == []
    else:
        assert len(found) == 1 and re.search(problem, found[0])
