"""[publisher] of line.toml: what is right, and what a wrong one is told."""

from pathlib import Path

import pytest
import tomli_w

from aoi_daemon.config.load import read_model
from aoi_daemon.config.publisher import PublisherSection, check_line, find_file, missing_files, rate_per_s
from aoi_daemon.errors import ConfigError


def section(tmp_path: Path, **keys: object) -> PublisherSection:
    file = tmp_path / "section.toml"
    file.write_text(tomli_w.dumps({"host": "broker", **keys}))
    return read_model(file, PublisherSection)


@pytest.mark.parametrize(("keys", "port"), [({}, 1883), ({"tls": {}}, 8883), ({"port": 99}, 99), ({"port": 99, "tls": {}}, 99)])
def test_the_port_is_the_usual_one_with_and_without_tls(tmp_path, keys, port):
    assert section(tmp_path, **keys).broker_port == port


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"host": ""}, "host: '' is empty"),
        ({"host": "tcp://10.0.0.5:1883"}, 'write host = "10.0.0.5" and port = 1883, if that was meant'),
        ({"host": "0.0.0.0"}, "stands for every address of this PC"),
        ({"port": 65_536}, "less than or equal to 65535"),
        ({"port": "1883"}, "port = '1883'"),
        ({"password": "secret"}, "unknown key (did you mean 'password_file'?)"),
        ({"password_file": "secret"}, "password_file needs username"),
        ({"tls": {"key": "key.pem"}}, "key needs certificate"),
        ({"tls": True}, "tls = True"),
        ({"protocol": "3.1"}, "'5' or '3.1.1'"),
        ({"topic": "aoi/+/x"}, "has + or #"),
        ({"topic": "aoi/#"}, "has + or #"),
        ({"topic": "aoi\n"}, "control character"),
        ({"topic": "/aoi"}, "words between single slashes"),
        ({"topic": "aoi//x"}, "words between single slashes"),
        ({"topic": "$SYS/x"}, "no $ at its start"),
        ({"client_id": "a b"}, "client_id = 'a b'"),
        ({"in_flight": 0}, "greater than or equal to 1"),
        ({"catch_up_per_s": 9}, "greater than or equal to 10"),
        ({"keepalive_s": 1}, "greater than or equal to 5"),
        ({"backlog_days": 0.0}, "greater than or equal to 0.01"),
        ({"answer_s": float("inf")}, "finite"),
        ({"include_passes": 1}, "boolean"),
    ],
)
def test_a_wrong_key_is_named_with_its_bound(tmp_path, keys, told):
    with pytest.raises(ConfigError) as refused:
        section(tmp_path, **keys)
    assert told in str(refused.value)


def test_a_broker_is_needed(tmp_path):
    (tmp_path / "section.toml").write_text("")
    with pytest.raises(ConfigError, match="host: missing"):
        read_model(tmp_path / "section.toml", PublisherSection)


def test_a_publisher_needs_a_recorder(tmp_path):
    with pytest.raises(ValueError, match=r"\[publisher\] needs \[recorder\].*add \[recorder\], or remove"):
        check_line(section(tmp_path), 50.0, recorded=False)


def test_a_rate_at_which_a_backlog_never_ends_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"catch_up_per_s \(39\) must be at least 40 at line.takt_ms = 50"):
        check_line(section(tmp_path, catch_up_per_s=39), 50.0, recorded=True)
    check_line(section(tmp_path, catch_up_per_s=40), 50.0, recorded=True)
    check_line(section(tmp_path), 1.0, recorded=True)


def test_the_rate_by_default_suits_a_fast_line_too(tmp_path):
    assert rate_per_s(section(tmp_path), 50.0) == 500
    assert rate_per_s(section(tmp_path), 1.0) == 2000
    assert rate_per_s(section(tmp_path, catch_up_per_s=40), 50.0) == 40


def test_files_are_from_the_folder_of_line_toml(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert find_file(Path("tls/ca.pem"), tmp_path) == tmp_path / "tls" / "ca.pem"
    assert find_file(Path("/etc/ca.pem"), tmp_path) == Path("/etc/ca.pem")


def test_a_bare_name_is_a_credential_where_there_is_one(tmp_path, monkeypatch):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt").write_text("secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert find_file(Path("mqtt"), tmp_path) == credentials / "mqtt"
    assert find_file(Path("other"), tmp_path) == tmp_path / "other"
    assert find_file(Path("sub/mqtt"), tmp_path) == tmp_path / "sub" / "mqtt"


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    found = section(tmp_path, username="u", password_file="mqtt", tls={"ca": "tls/ca.pem", "certificate": str(tmp_path / "c.pem")})
    problems = missing_files(found, tmp_path)
    # `mqtt` may be a credential, which only the service sees.
    assert len(problems) == 2
    assert problems[0].startswith("publisher.tls.ca = 'tls/ca.pem': does not exist") and "tls/ca.pem)" in problems[0]
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert any("publisher.password_file = 'mqtt'" in problem for problem in missing_files(found, tmp_path))
    assert missing_files(section(tmp_path), tmp_path) == []
