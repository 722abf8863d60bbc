"""The files that a connection needs: read anew for each attempt, and named when they are wrong."""

import json
import ssl
from pathlib import Path

import pytest
import trustme

from aoi_daemon.config.publisher import PublisherSection
from aoi_daemon.publisher.access import Access, AccessError
from aoi_daemon.publisher.trouble import not_connected


def access(folder: Path, **keys: object) -> Access:
    return Access(PublisherSection.model_validate_json(json.dumps({"host": "broker", **keys})), "line-1", folder)


@pytest.fixture
def pem(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own = authority.issue_cert("line-1")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "own.key"))
    authority.issue_cert("other").private_key_pem.write_to_path(str(tmp_path / "other.key"))
    return tmp_path


def test_names_come_from_the_line(tmp_path):
    found = access(tmp_path)
    assert (found.client_id, found.prefix, found.where) == ("aoi-line-1", "aoi/line-1", "broker:1883")
    found = access(tmp_path, client_id="x", topic="plant/a", port=99)
    assert (found.client_id, found.prefix, found.where) == ("x", "plant/a", "broker:99")


def test_a_password_is_the_first_line_of_its_file_as_it_is_now(tmp_path):
    file = tmp_path / "password"
    found = access(tmp_path, username="u", password_file="password")
    file.write_bytes(b"first word \xff\nsecond")
    assert found.password() == b"first word \xff"
    file.write_bytes(b"changed")
    assert found.password() == b"changed"
    assert access(tmp_path).password() is None


def test_a_password_is_a_credential_of_the_service_where_there_is_one(tmp_path, monkeypatch):
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "mqtt").write_text("from systemd")
    (tmp_path / "mqtt").write_text("from beside line.toml")
    found = access(tmp_path, username="u", password_file="mqtt")
    assert found.password() == b"from beside line.toml"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert found.password() == b"from systemd"


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), (b"", "has 0 bytes"), (b"\nsecret", "has 0 bytes"), (b"x" * 70_000, "has 70000 bytes")])
def test_a_password_that_cannot_be_used_is_said_with_its_file(tmp_path, content, told):
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(AccessError) as refused:
        access(tmp_path, username="u", password_file="password").password()
    assert told in refused.value.what and str(tmp_path / "password") in refused.value.what and refused.value.remedy
    trouble = not_connected(refused.value, "broker", 1883)
    assert (trouble.what, trouble.remedy) == (refused.value.what, refused.value.remedy)


def test_tls_always_checks_the_broker(pem):
    for keys in ({}, {"ca": "ca.pem"}, {"ca": "ca.pem", "certificate": "own.pem"}, {"certificate": "own.pem", "key": "own.key"}):
        context = access(pem, tls=keys).context()
        assert context is not None and context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert access(pem).context() is None


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"ca": "none.pem"}, "publisher.tls.ca: "),
        ({"ca": "own.key"}, "publisher.tls.ca: "),
        ({"certificate": "none.pem"}, "publisher.tls.certificate: "),
        ({"certificate": "ca.pem"}, "publisher.tls.certificate: "),
        ({"certificate": "own.pem", "key": "other.key"}, "key values mismatch"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said_with_its_file(pem, keys, told):
    with pytest.raises(AccessError) as refused:
        access(pem, tls=keys).context()
    assert told in refused.value.what and str(pem) in refused.value.what and "PEM" in refused.value.remedy


def test_what_is_unwise_is_said(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret")
    file.chmod(0o644)
    keys = {"username": "u", "password_file": "password"}
    clear, open_file = access(tmp_path, **keys).warnings()
    assert "in clear" in clear and "chmod 600" in open_file
    file.chmod(0o600)
    assert access(tmp_path, **keys, tls={}).warnings() == []
    assert access(tmp_path, **{**keys, "host": "localhost"}).warnings() == []
    assert access(tmp_path).warnings() == []
