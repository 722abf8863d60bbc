"""[notices] of line.toml: what is right, and what a wrong one is told."""

import json

import pytest
import tomli_w

from aoi_daemon.config.checks.notices import notices_problems, read_secret
from aoi_daemon.config.load import read_model
from aoi_daemon.config.notices import NoticesSection
from aoi_daemon.config.schema import LineConfig
from aoi_daemon.config.weblink import parse_weblink
from aoi_daemon.decide.alarms import Alarm
from aoi_daemon.errors import ConfigError

MAIL = {"name": "people", "host": "mail.example", "sender": "aoi@plant.example", "to": ["anna@plant.example"]}
HOOK = {"name": "chat", "url": "https://chat.example/hook"}
RULE = {"priority": "high", "to": ["people"]}


def section(tmp_path, **keys) -> NoticesSection:
    file = tmp_path / "section.toml"
    file.write_text(tomli_w.dumps({"mail": [MAIL], "rules": [RULE], **keys}))
    return read_model(file, NoticesSection)


def test_it_goes_through_the_setup_message_unchanged(tmp_path):
    found = section(tmp_path, webhook=[HOOK], rules=[{"alarms": ["OPTICS"], "to": ["people", "chat"], "quiet": "22:00-06:00"}])
    assert NoticesSection.model_validate_json(found.model_dump_json()) == found
    assert list(found.receivers) == ["people", "chat"]


@pytest.mark.parametrize(("keys", "port"), [({}, 587), ({"tls": "tls"}, 465), ({"tls": "none"}, 25), ({"port": 26}, 26)])
def test_the_port_is_the_usual_one(tmp_path, keys, port):
    assert section(tmp_path, mail=[{**MAIL, **keys}]).mail[0].server_port == port


SECRET = "T0AAAA/B0BBBB/abcDEF123456789012345678"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"rules": []}, "rules = []"),
        ({"mail": []}, "has no receiver"),
        ({"rules": [{"to": ["people"]}]}, "alarms and priority: give one of them"),
        ({"rules": [{**RULE, "alarms": ["OPTICS"]}]}, "alarms and priority: give one of them"),
        ({"rules": [{**RULE, "priority": "fault"}]}, "'high', 'medium' or 'low'"),
        ({"rules": [{**RULE, "to": []}]}, "rules[0].to = []"),
        ({"rules": [{**RULE, "to": ["poeple"]}]}, "no receiver is called 'poeple' (there: people)"),
        ({"webhook": [HOOK]}, "no rule has 'chat' in its `to`"),
        ({"webhook": [{**HOOK, "name": "people"}]}, "not all different"),
        ({"rules": [{**RULE, "quiet": "6-22"}]}, "quiet = '6-22'"),
        ({"rules": [{**RULE, "quiet": "06:00-06:00"}]}, "begins when it ends"),
        ({"rules": [{**RULE, "after_s": -1.0}]}, "greater than or equal to 0"),
        ({"rules": [{**RULE, "repeat_minutes": 0.5}]}, "must be 0 or at least 1"),
        ({"at_most_per_hour": 1}, "greater than or equal to 4"),
        ({"mail": [{**MAIL, "password": "x"}]}, "unknown key (did you mean 'password_file'?)"),
        ({"mail": [{**MAIL, "user": "aoi"}]}, "user and password_file: give both"),
        ({"mail": [{**MAIL, "user": "aoi", "password_file": "p", "tls": "none"}]}, "the password could be read on the network"),
        ({"mail": [{**MAIL, "user": "a\r\nb", "password_file": "p"}]}, "user = "),
        ({"mail": [{**MAIL, "host": "smtp://x"}]}, "has a scheme in it"),
        ({"mail": [{**MAIL, "tls": False}]}, "'starttls', 'tls' or 'none'"),
        ({"mail": [{**MAIL, "to": []}]}, "to = []"),
        ({"mail": [{**MAIL, "to": ["anna@plant.example", "anna@plant.example"]}]}, "not all different"),
        ({"mail": [{**MAIL, "to": ["Anna <anna@plant.example>"]}]}, "is no mail address"),
        ({"mail": [{**MAIL, "to": ["anna@plant.example\r\nBcc: x@y.example"]}]}, "is no mail address"),
        ({"mail": [{**MAIL, "to": ["anna@"]}]}, "is no mail address"),
        ({"mail": [{**MAIL, "sender": "änne@plant.example"}]}, "is no mail address"),
        ({"webhook": [{"name": "chat"}]}, "url and url_file: give one of them"),
        ({"webhook": [{**HOOK, "url": "http://chat.example/x"}]}, "http://chat.example has no TLS: write https://, or say plain_http = true"),
        ({"webhook": [{**HOOK, "url": "ftp://chat.example/x"}]}, "is no URL that begins with https://"),
        ({"webhook": [{**HOOK, "url": "https://u:p@chat.example/x"}]}, "has a user or a password in it"),
        ({"webhook": [{**HOOK, "url": "https://chat.example/x y"}]}, "has a blank"),
        ({"webhook": [{**HOOK, "url": "https://chat.example/a\r\nX: y"}]}, "control character"),
        ({"webhook": [{**HOOK, "url": "https://010.0.0.1/x"}]}, "leading zeros"),
        ({"webhook": [{**HOOK, "url": "https://chat.example/x#y"}]}, "has a # in it"),
        ({"webhook": [{**HOOK, "url": f"https://hooks.example/services/{SECRET}"}]}, "https://hooks.example/...: looks as if it has a secret in it"),
        ({"webhook": [{**HOOK, "url": "https://hooks.example/x?sig=1"}]}, "name that: url_file"),
        ({"webhook": [{**HOOK, "header": "Host"}]}, "is set by aoi-daemon itself"),
        ({"webhook": [{**HOOK, "header": "X Y"}]}, "header = 'X Y'"),
        ({"page": "aoi.example"}, "is not an address such as"),
        ({"languages": ["de"]}, "'en' or 'zh'"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_its_remedy_and_no_secret(tmp_path, keys, told):
    with pytest.raises(ConfigError) as refused:
        section(tmp_path, **keys)
    assert told in str(refused.value)
    for secret in (SECRET, "sig=1", "u:p@"):
        assert secret not in str(refused.value)


def test_what_goes_without_tls_only_within_this_pc(tmp_path):
    hook = {**HOOK, "url": "http://127.0.0.1:8065/hooks/x"}
    mail = {**MAIL, "host": "localhost", "tls": "none", "user": "aoi", "password_file": "p"}
    found = section(tmp_path, mail=[mail], webhook=[hook], rules=[{**RULE, "to": ["people", "chat"]}])
    assert found.webhook[0].url == hook["url"]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://a.example", ("https", "a.example", 443, "/")),
        ("HTTP://a.example:8080/x/y?z=1", ("http", "a.example", 8080, "/x/y?z=1")),
        ("https://[::1]:8443?q", ("https", "::1", 8443, "/?q")),
    ],
)
def test_a_url_is_taken_apart(url, parts):
    assert parse_weblink(url) == parts


def test_what_is_behind_a_hash_would_never_be_sent():
    with pytest.raises(ValueError, match="has a # in it"):
        parse_weblink("https://a.example/x#y")


def problems(tmp_path, **keys):
    return list(notices_problems(section(tmp_path, **keys), tmp_path, Alarm.__members__))


@pytest.mark.parametrize("folder", ["file", "file/deeper", "file/deeper/still", "nowhere"])
def test_a_folder_that_cannot_be_one_is_refused(tmp_path, folder):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (found,) = problems(tmp_path, folder=folder)
    assert found.startswith(f"notices.folder = {folder!r}: {tmp_path / folder.split('/')[0]} is no folder; name one")
    assert problems(tmp_path, folder="not/there/yet") == problems(tmp_path, folder=".") == []


def test_an_unknown_alarm_is_refused_with_the_one_that_was_meant(tmp_path):
    rules = [{"alarms": ["PLC_LINK", "PLC_LNK", "plc_link", "x"], "to": ["people"]}]
    found = problems(tmp_path, rules=rules)
    assert found[0] == "notices.rules[0].alarms: no alarm is called 'PLC_LNK' (did you mean 'PLC_LINK'?)"
    assert "did you mean 'PLC_LINK'?" in found[1] and "there are: CAMERA_LOST, " in found[2]


def test_each_file_must_be_there_and_a_secret_must_be_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    mail = {**MAIL, "user": "aoi", "password_file": "password", "ca_file": "ca.pem"}
    hook = {"name": "chat", "url_file": "url", "token_file": "token"}
    keys = {"mail": [mail], "webhook": [hook], "rules": [{**RULE, "to": ["people", "chat"]}]}
    assert [line.split(":")[0] for line in problems(tmp_path, **keys)] == [
        "notices.mail[0].password_file = 'password'", "notices.mail[0].ca_file = 'ca.pem'",
        "notices.webhook[0].url_file = 'url'", "notices.webhook[0].token_file = 'token'",
    ]  # fmt: skip
    for name, text, mode in (("password", "pass-Word-9", 0o644), ("ca.pem", "x", 0o644), ("url", "http://a.example/secret-Path-9", 0o600), ("token", "", 0o600)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    found = "\n".join(problems(tmp_path, **keys))
    assert "password is open to every user: chmod 600" in found and "1 to 4096 printable" in found
    assert "http://a.example has no TLS" in found and "secret-Path-9" not in found and "pass-Word-9" not in found
    (tmp_path / "password").chmod(0o640)
    assert read_secret(tmp_path / "password") == "pass-Word-9"


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        (b" ~", True), (b"x" * 4096, True), (b"x\r\n", True), (b"x\nsecond", True), (b"x" * 4097, False), (b"", False),
        (b"\nx", False), (b"a\x1fb", False), (b"a\x7fb", False), (b"a\x80b", False),
    ],
)  # fmt: skip
def test_a_secret_is_a_line_of_printable_ascii(tmp_path, line, is_one):
    file = tmp_path / "secret"
    file.write_bytes(line)
    file.chmod(0o600)
    if is_one:
        assert read_secret(file) == line.split(b"\n")[0].rstrip(b"\r").decode()
    else:
        with pytest.raises(ValueError, match="its first line must be 1 to 4096 printable ASCII characters"):
            read_secret(file)


@pytest.mark.parametrize(("name", "is_told"), [("password", False), ("folder/password", True)])
def test_a_name_alone_may_be_a_credential_that_only_the_service_sees(tmp_path, monkeypatch, name, is_told):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    found = problems(tmp_path, mail=[{**MAIL, "user": "aoi", "password_file": name}])
    assert [f"password_file = {name!r}: does not exist" in line for line in found] == [True] * is_told


def test_a_mail_goes_to_twenty_addresses_at_most(tmp_path):
    people = [f"p{number}@plant.example" for number in range(21)]
    assert len(section(tmp_path, mail=[{**MAIL, "to": people[:20]}]).mail[0].to) == 20
    with pytest.raises(ConfigError, match="20"):
        section(tmp_path, mail=[{**MAIL, "to": people}])


@pytest.mark.parametrize(
    ("quiet", "inside", "outside"),
    [("22:00-06:00", (1320, 1439, 0, 359), (360, 1319)), ("06:30-22:00", (390, 1319), (0, 389, 1320, 1439))],
)
def test_a_rule_is_quiet_from_the_first_minute_to_the_one_before_the_last(tmp_path, quiet, inside, outside):
    """Over midnight as well."""
    (rule,) = section(tmp_path, rules=[{**RULE, "quiet": quiet}]).rules
    assert all(rule.is_quiet(minute) for minute in inside)
    assert not any(rule.is_quiet(minute) for minute in outside)
    assert not section(tmp_path).rules[0].is_quiet(0)


def test_what_reload_shows_of_a_change_has_no_secret(tmp_path):
    """Passwords, tokens and secret URLs are in files of their own: the section has their names alone."""
    text = json.dumps(section(tmp_path, mail=[{**MAIL, "user": "aoi", "password_file": "p"}]).model_dump(mode="json"))
    assert '"password_file": "p"' in text


def test_reload_restarts_the_notifier_alone(tmp_path):
    from aoi_daemon.config.section import Reload
    from aoi_daemon.stage.stage import SECTIONS

    assert NoticesSection.reload is Reload.OFF_PATH and SECTIONS["notifier"] == "notices"
    assert all(section in LineConfig.model_fields for section in SECTIONS.values())
