"""One attempt at a time against servers that misbehave: what is said of it is true, it ends in time, no secret leaks."""

import json
import time
import tracemalloc

import pytest

from aoi_daemon.config.notices import MailReceiver, WebhookReceiver
from aoi_daemon.notifier import hook, mail, message
from aoi_daemon.notifier.notice import Kind, Notice
from tests.unit.notifier.conftest import WORDING, secret_file

SECRET = "pass-Word-9"
TIMEOUT_S = 0.6
SLACK_S = 3.0
"""For a machine that is loaded; a server that is mute is so for 20 s."""
TO = ("a@plant.example", "b@plant.example")


def mailed(port, tmp_path, *, timeout_s=TIMEOUT_S, notice=None, to=TO, **keys):
    fields = {"name": "people", "host": "127.0.0.1", "port": port, "tls": "none", "sender": "aoi@plant.example", "to": list(to)}
    receiver = MailReceiver.model_validate_json(json.dumps({**fields, **keys}))
    notice = notice or Notice(Kind.TEST, "people", 1_790_000_000.0)
    content = message.mail(notice, WORDING, receiver.sender, receiver.to)
    return mail.deliver(receiver, tmp_path, content, to, timeout_s)


def posted(port, tmp_path, *, timeout_s=TIMEOUT_S, scheme="http", path="/hook", **keys):
    fields = {"name": "chat", "url": f"{scheme}://127.0.0.1:{port}{path}"}
    receiver = WebhookReceiver.model_validate_json(json.dumps({**fields, **keys}))
    notice = Notice(Kind.TEST, "chat", 1_790_000_000.0)
    return hook.deliver(receiver, tmp_path, message.webhook(notice, WORDING), notice.id, timeout_s)


def test_a_mail_arrives_at_each_address_and_what_the_server_said_is_told(server, tmp_path):
    smtp = server("smtp")
    before = len(smtp.taken)
    outcome = mailed(smtp.port, tmp_path)
    assert (outcome.done, outcome.refused, outcome.what, outcome.unsure) == (TO, (), "", False)
    assert outcome.said == "250 queued"
    (taken,) = smtp.taken[before:]
    assert taken["taken"] == list(TO)


def test_a_line_that_begins_with_a_dot_arrives_as_it_was(server, tmp_path):
    smtp = server("smtp")
    content = b"Subject: x\r\n\r\n.\r\n..two\r\n.one\r\n"
    receiver = MailReceiver.model_validate_json(
        json.dumps({"name": "people", "host": "127.0.0.1", "port": smtp.port, "tls": "none", "sender": "aoi@plant.example", "to": list(TO)})
    )
    assert mail.deliver(receiver, tmp_path, content, TO, 5.0).done == TO
    assert smtp.taken[-1]["mail"] + "\r\n" == content.decode()


SMTP_FAULTS = [
    # (stage, action) -> it is of the server, refused for good, perhaps taken
    ("greet", 421, True, False, False), ("greet", 554, True, False, False), ("greet", "close", True, False, False),
    ("greet", "mute", True, False, False), ("greet", "drip", True, False, False), ("greet", "endless", True, False, False),
    ("greet", "garbage", True, False, False), ("greet", "long", True, False, False), ("greet", "weird", True, False, False),
    ("ehlo", "mute", True, False, False), ("ehlo", "drip", True, False, False), ("ehlo", "endless", True, False, False),
    ("mail", 451, False, False, False), ("mail", 550, False, True, False), ("mail", "close", True, False, False),
    ("rcpt", 450, False, False, False), ("rcpt", 550, False, True, False), ("rcpt", 421, True, False, False),
    ("rcpt", "weird", False, False, False), ("rcpt", "mute", True, False, False),
    ("data", 452, False, False, False), ("data", 554, False, True, False), ("data", "close", True, False, False),
    ("data", "garbage", False, False, False),
    ("body", 451, False, False, False), ("body", 552, False, True, False), ("body", "close", True, False, True),
    ("body", "mute", True, False, True), ("body", "garbage", False, False, True), ("body", "weird", False, False, True),
    ("body", "endless", True, False, True), ("taken", "close", True, False, True), ("taken", "mute", True, False, True),
    ("taken", "drip", True, False, True), ("content", "close", True, False, True),
]  # fmt: skip


@pytest.mark.parametrize(("at", "do", "of_server", "refused", "unsure"), SMTP_FAULTS)
def test_what_a_mail_server_does_is_told_as_it_is_and_in_time(server, tmp_path, at, do, of_server, refused, unsure):
    smtp = server("smtp", secret=SECRET)
    smtp.faults({"at": at, "do": do})
    begun = time.monotonic()
    outcome = mailed(smtp.port, tmp_path)
    took_s = time.monotonic() - begun
    assert outcome.done == () and outcome.what and outcome.remedy
    assert (outcome.of_server, outcome.refused, outcome.unsure) == (of_server, TO if refused else (), unsure), outcome
    assert took_s < TIMEOUT_S + SLACK_S, outcome
    assert outcome.what.isprintable() and len(outcome.what) < 500
    if do == "endless":
        assert "says more than 65536 bytes" in outcome.what
    if do in ("mute", "drip"):
        assert f"not done within {TIMEOUT_S:g} s" in outcome.what


def test_one_address_that_is_refused_does_not_keep_the_mail_from_the_others(server, tmp_path):
    smtp = server("smtp")
    smtp.faults({"at": "rcpt", "do": 550, "to": TO[0]}, {"at": "rcpt", "do": 450, "to": TO[0]})
    outcome = mailed(smtp.port, tmp_path)
    assert (outcome.done, outcome.refused) == (TO[1:], TO[:1]) and "a@plant.example is refused: 550" in outcome.what
    outcome = mailed(smtp.port, tmp_path)
    assert (outcome.done, outcome.refused) == (TO[1:], ()) and "450" in outcome.what
    smtp.faults({"at": "rcpt", "do": 550})
    outcome = mailed(smtp.port, tmp_path)
    assert outcome.refused == TO and all(f"{address} is refused: 550" in outcome.what for address in TO)


def test_no_server_can_make_it_keep_much_in_memory(server, tmp_path):
    smtp, web = server("smtp"), server("http")
    for run, faulty in (
        (lambda: mailed(smtp.port, tmp_path), [(smtp, {"at": stage, "do": "endless"}) for stage in ("greet", "ehlo", "body")]),
        (lambda: posted(web.port, tmp_path), [(web, {"at": "answer", "do": do}) for do in ("continue", "headers", "body")]),
    ):
        for one, fault in faulty:
            one.faults(fault)
            tracemalloc.start()
            try:
                run()
                assert tracemalloc.get_traced_memory()[1] < 3_000_000, fault
            finally:
                tracemalloc.stop()


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_tls_is_checked_against_the_ca_and_the_name(server, tmp_path, trust, tls):
    good = server("smtp", tls=tls, certificate=trust["certificate"])
    assert mailed(good.port, tmp_path, tls=tls, ca_file=trust["ca"]).done == TO
    assert "certificate is not accepted" in mailed(good.port, tmp_path, tls=tls).what
    for wrong in ("name", "other"):
        bad = server("smtp", tls=tls, certificate=trust[wrong])
        outcome = mailed(bad.port, tmp_path, tls=tls, ca_file=trust["ca"])
        assert "the server's certificate is not accepted" in outcome.what and outcome.of_server and not outcome.unsure
        assert bad.taken == []
    (tmp_path / "no.pem").write_text("no certificate")
    assert mailed(good.port, tmp_path, tls=tls, ca_file=str(tmp_path / "no.pem")).what.startswith("notices.mail people.ca_file: ")


def test_a_server_without_starttls_is_not_given_anything(server, tmp_path):
    smtp = server("smtp")
    before = len(smtp.taken)
    outcome = mailed(smtp.port, tmp_path, tls="starttls")
    assert "offers no STARTTLS" in outcome.what and outcome.of_server and len(smtp.taken) == before


def test_what_is_said_in_clear_before_tls_does_not_count(server, tmp_path, trust):
    """Else whoever is in between could answer in the server's name."""
    smtp = server("smtp", tls="starttls", certificate=trust["certificate"])
    smtp.faults({"at": "starttls-said", "do": "inject"})
    assert mailed(smtp.port, tmp_path, tls="starttls", ca_file=trust["ca"], timeout_s=5.0).done == TO


def login(server, trust, tmp_path, password, **more):
    smtp = server("smtp", tls="starttls", certificate=trust["certificate"], user="aoi", password=SECRET, secret=SECRET)
    keys = {"tls": "starttls", "ca_file": trust["ca"], "user": "aoi", "password_file": secret_file(tmp_path / "password", password)}
    return smtp, mailed(smtp.port, tmp_path, timeout_s=5.0, **keys, **more)


def test_a_login_that_is_refused_is_told_without_the_password(server, tmp_path, trust):
    assert login(server, trust, tmp_path, SECRET)[1].done == TO
    smtp, outcome = login(server, trust, tmp_path, "wrong")
    assert "the login is refused: 535" in outcome.what and "password_file" in outcome.remedy and outcome.of_server
    smtp.faults({"at": "auth", "do": 454})
    outcome = login(server, trust, tmp_path, SECRET)[1]
    assert "454" in outcome.what and "***" in outcome.what and SECRET not in str(outcome)


def test_a_password_file_that_others_may_read_is_not_used(server, tmp_path, trust):
    smtp = server("smtp", tls="starttls", certificate=trust["certificate"])
    path = tmp_path / "password"
    path.write_text(SECRET)
    path.chmod(0o604)
    outcome = mailed(smtp.port, tmp_path, tls="starttls", ca_file=trust["ca"], user="aoi", password_file=str(path))
    assert "is open to every user: chmod 600" in outcome.what and SECRET not in str(outcome)
    outcome = mailed(smtp.port, tmp_path, tls="starttls", user="aoi", password_file=str(tmp_path / "none"))
    assert "No such file" in outcome.what and outcome.of_server


# -- webhooks ------------------------------------------------------------------


def test_a_webhook_gets_the_notice_and_its_token(server, tmp_path, trust):
    web = server("http", tls="tls", certificate=trust["certificate"])
    token = secret_file(tmp_path / "token", SECRET)
    outcome = posted(web.port, tmp_path, scheme="https", ca_file=trust["ca"], token_file=token, timeout_s=5.0)
    assert outcome.done == ("",) and outcome.what == ""
    taken = web.taken[-1]
    assert taken["request"] == "POST /hook HTTP/1.1" and taken["headers"]["authorization"] == f"Bearer {SECRET}"
    assert taken["headers"]["idempotency-key"] == json.loads(taken["body"])["id"]
    outcome = posted(web.port, tmp_path, scheme="https", ca_file=trust["ca"], token_file=token, header="X-Key", timeout_s=5.0)
    assert web.taken[-1]["headers"]["x-key"] == SECRET and outcome.done
    assert "certificate is not accepted" in posted(web.port, tmp_path, scheme="https", timeout_s=5.0).what


HTTP_FAULTS = [
    ("accept", "close", True, False, True), ("answer", "close", True, False, True), ("answer", "mute", True, False, True),
    ("answer", "drip", True, False, True), ("answer", "garbage", True, False, True), ("answer", "continue", True, False, True),
    ("answer", "headers", True, False, True), ("answer", 301, True, False, False), ("answer", 307, True, False, False),
    ("answer", 304, True, False, False), ("answer", 401, True, False, False), ("answer", 403, True, False, False),
    ("answer", 404, True, False, False), ("answer", 408, True, False, False), ("answer", 429, True, False, False),
    ("answer", 500, True, False, False), ("answer", 503, True, False, False), ("answer", 400, False, True, False),
    ("answer", 413, False, True, False), ("answer", 422, False, True, False),
]  # fmt: skip


@pytest.mark.parametrize(("at", "do", "of_server", "refused", "unsure"), HTTP_FAULTS)
def test_what_a_webhook_does_is_told_as_it_is_and_in_time(server, tmp_path, at, do, of_server, refused, unsure):
    web = server("http", secret=SECRET)
    web.faults({"at": at, "do": do, "headers": "Location: http://127.0.0.1:9/\r\nRetry-After: 90\r\n"})
    token = secret_file(tmp_path / "token", SECRET)
    begun = time.monotonic()
    outcome = posted(web.port, tmp_path, token_file=token)
    assert time.monotonic() - begun < TIMEOUT_S + SLACK_S, outcome
    assert outcome.done == () and outcome.what.isprintable() and len(outcome.what) < 500 and outcome.remedy
    assert (outcome.of_server, bool(outcome.refused), outcome.unsure) == (of_server, refused, unsure), outcome
    assert SECRET not in str(outcome)
    assert outcome.wait_s == (90.0 if do in (408, 429, 500, 503) else 0.0)
    assert web.taken == [] or do != 301


def test_a_redirect_is_not_followed(server, tmp_path):
    first, second = server("http"), server("http", second=True)
    first.faults({"at": "answer", "do": 307, "headers": f"Location: http://127.0.0.1:{second.port}/\r\n"})
    outcome = posted(first.port, tmp_path, token_file=secret_file(tmp_path / "token", SECRET))
    assert "it has moved" in outcome.what and all("request" not in told for told in second.heard) and second.taken == []


def test_a_proxy_of_the_environment_is_not_used(server, tmp_path, monkeypatch):
    web, proxy = server("http"), server("http", proxy=True)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    assert posted(web.port, tmp_path).done == ("",)
    assert proxy.taken == []


def test_a_url_that_is_a_secret_is_never_said(server, tmp_path):
    web = server("http")
    url = secret_file(tmp_path / "url", f"http://127.0.0.1:{web.port}/services/T0/{SECRET}?sig=x")
    web.faults({"at": "answer", "do": 500, "text": f"no such /services/T0/{SECRET}?sig=x"})
    outcome = posted(web.port, tmp_path, url=None, url_file=url)
    assert f"http://127.0.0.1:{web.port} answers 500" in outcome.what and SECRET not in str(outcome)
    assert posted(web.port, tmp_path, url=None, url_file=url).done == ("",)
    (tmp_path / "url").write_text("http://elsewhere.example/x\n")
    outcome = posted(web.port, tmp_path, url=None, url_file=url)
    assert "http://elsewhere.example has no TLS" in outcome.what


def test_nobody_there_and_no_such_name_are_told_in_words(tmp_path):
    from aoi_daemon.kit.line.page import free_port

    assert "nobody listens there" in mailed(free_port(0), tmp_path).what
    assert "nobody listens there" in posted(free_port(0), tmp_path).what
    outcome = mailed(25, tmp_path, host="no-such-host.invalid", timeout_s=5.0)
    assert "the name is not known" in outcome.what and outcome.of_server and not outcome.unsure
