"""[notices]: addresses and times at their bounds, and the files of its receivers."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from aoi_daemon.config.checks.notices import ca_of, notices_problems, read_secret
from aoi_daemon.config.notices import MailReceiver, NoticeRule, NoticesSection, WebhookReceiver

MAIL = {"name": "people", "host": "mail.example", "sender": "aoi@plant.example", "to": ["anna@plant.example"]}


def test_a_mail_address_has_64_characters_before_the_at():
    assert MailReceiver.model_validate({**MAIL, "sender": f"{'a' * 64}@plant.example"})
    with pytest.raises(ValidationError, match="is no mail address"):
        MailReceiver.model_validate({**MAIL, "sender": f"{'a' * 65}@plant.example"})


@pytest.mark.parametrize(("minutes", "is_taken"), [(0.0, True), (0.01, False), (0.99, False), (1.0, True), (1.5, True)])
def test_a_notice_is_repeated_each_minute_at_most(minutes, is_taken):
    rule = {"priority": "low", "to": ["people"], "repeat_minutes": minutes}
    if is_taken:
        assert NoticeRule.model_validate(rule).repeat_minutes == minutes
    else:
        with pytest.raises(ValidationError, match="must be 0 or at least 1"):
            NoticeRule.model_validate(rule)


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("https://a.example/x")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o670, False), (0o601, True), (0o602, True), (0o604, True)])
def test_a_secret_is_nobody_else_s(secret, mode, is_open):
    secret.chmod(mode)
    if not is_open:
        assert read_secret(secret) == "https://a.example/x"
        return
    with pytest.raises(ValueError, match="is open to every user: chmod 600 it"):
        read_secret(secret)


@pytest.mark.parametrize(("line", "is_one"), [(b"\r\n", True), (b"\n", True), (b"\ry", False)])
def test_the_longest_secret_ends_with_its_line(secret, line, is_one):
    """Of one that goes on nothing is left out."""
    secret.write_bytes(b"x" * 4096 + line)
    if is_one:
        assert read_secret(secret) == "x" * 4096
        return
    with pytest.raises(ValueError, match="must be 1 to 4096 printable"):
        read_secret(secret)


def problems(folder, **keys):
    section = NoticesSection.model_validate(
        {"webhook": [{"name": "chat", **keys}], "rules": [{"priority": "low", "to": ["chat"]}], "folder": folder / "kept"}
    )
    return list(notices_problems(section, folder, ()))


def test_of_a_file_that_is_wrong_one_problem_is_told(secret):
    assert problems(secret.parent, url_file="secret") == []
    secret.write_text("http://a.example/x")
    assert problems(secret.parent, url_file="secret") == [
        f"notices.webhook[0].url_file: {secret}: http://a.example has no TLS: write https://, or say plain_http = true"
    ]
    secret.chmod(0o644)
    (told,) = problems(secret.parent, url_file="secret")
    assert told.startswith(f"notices.webhook[0].url_file: {secret} is open to every user")


def test_a_token_is_no_url_and_a_certificate_no_secret(secret):
    secret.write_text("t0ken")
    (secret.parent / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (secret.parent / "ca.pem").chmod(0o644)
    assert problems(secret.parent, url="https://a.example", token_file="secret", ca_file="ca.pem") == []


def test_a_secret_that_cannot_be_read_is_told_with_the_remedy(secret, monkeypatch):
    with pytest.raises(ValueError, match="Is a directory; write the secret into its first line, and chmod 600 it"):
        read_secret(secret.parent)

    opened = Path.open

    def closed(path, *args, **keys):
        if path == secret:
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **keys)

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(ValueError, match="secret cannot be read: give it to the service's user"):
        read_secret(secret)


def test_the_file_of_a_receiver_s_ca_is_beside_line_toml(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    hook = WebhookReceiver(name="chat", url="https://a.example")
    assert ca_of(hook, tmp_path) is None
    assert ca_of(hook.model_copy(update={"ca_file": Path("ca.pem")}), tmp_path) == tmp_path / "ca.pem"
