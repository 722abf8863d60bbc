"""`aoi-daemon notices test | list`: what came of it in plain words, and the exit code."""

import pytest
import tomli_w

from aoi_daemon.cli import main
from aoi_daemon.notifier.notice import Kind, Notice
from aoi_daemon.notifier.outbox import Entry
from aoi_daemon.notifier.store import Kept, Store


@pytest.fixture
def config(tmp_path, server):
    smtp, web = server("smtp"), server("http")
    notices = {
        "folder": "notices",
        "timeout_s": 2.0,
        "mail": [{"name": "people", "host": "127.0.0.1", "port": smtp.port, "tls": "none", "sender": "aoi@plant.example", "to": ["a@plant.example", "b@plant.example"]}],
        "webhook": [{"name": "chat", "url": f"http://127.0.0.1:{web.port}/"}],
        "rules": [{"priority": "high", "to": ["people", "chat"]}],
    }
    file = tmp_path / "line.toml"
    file.write_text(tomli_w.dumps({"cameras": [{"kind": "replay", "source": "."}], "notices": notices}))
    return file, smtp, web


def test_a_test_notice_goes_to_each_receiver_and_what_the_server_said_is_shown(config, capsys):
    file, _, web = config
    assert main(["notices", "test", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert "people: taken for a@plant.example, b@plant.example (the server said: 250 queued)" in said
    assert "chat: taken (the server said: 200 Word" in said
    assert '"kind":"test"' in web.taken[-1]["body"]


def test_one_that_is_not_taken_is_exit_1_with_the_remedy(config, capsys):
    file, smtp, _ = config
    smtp.faults({"at": "greet", "do": 554})
    assert main(["notices", "test", "people", "--config", str(file)]) == 1
    said = capsys.readouterr().out
    assert "people: NOT DELIVERED: the server refuses to talk: 554" in said and "remedy: " in said and "chat" not in said
    smtp.faults({"at": "rcpt", "do": 550, "to": "b@plant.example"})
    assert main(["notices", "test", "people", "--config", str(file)]) == 1
    assert "taken for a@plant.example (the server said: 250 queued); NOT DELIVERED to the others: b@plant.example is refused: 550" in capsys.readouterr().out
    smtp.faults({"at": "taken", "do": "close"})
    assert main(["notices", "test", "people", "--config", str(file)]) == 1
    assert "people: perhaps delivered: no answer to the mail" in capsys.readouterr().out


def test_a_wrong_name_or_file_is_exit_2(config, tmp_path, capsys):
    file, _, _ = config
    assert main(["notices", "test", "poeple", "--config", str(file)]) == 2
    assert "no receiver is called 'poeple' (there: people, chat)" in capsys.readouterr().err
    (tmp_path / "none.toml").write_text('[[cameras]]\nkind = "replay"\nsource = "."\n')
    assert main(["notices", "list", "--config", str(tmp_path / "none.toml")]) == 2
    assert "has no [notices]" in capsys.readouterr().err
    assert main(["notices", "list", "--config", str(tmp_path / "missing.toml")]) == 2


def test_list_shows_what_waits_and_why_and_touches_nothing(config, tmp_path, capsys):
    file, _, _ = config
    assert main(["notices", "list", "--config", str(file)]) == 0
    assert capsys.readouterr().out.startswith("0 wait, 0 are held back; so far: delivered 0, ")
    assert not (tmp_path / "notices").exists()
    store = Store(tmp_path / "notices")
    store.read(0.0)
    notice = Notice(Kind.RAISED, "people", 1.7e9, alarm="PLC_LINK", priority="HIGH")
    store.write(Kept(entries=[Entry(notice, ("a",), 0.0, 0.0, tries=3, unsure=True, what="451 no")]), 10.0)
    assert main(["notices", "list", "--config", str(file)]) == 0
    said = capsys.readouterr().out
    assert "people: raised PLC_LINK  3 tries  451 no; perhaps it has arrived" in said and "1 wait" in said
    store.path.write_bytes(b"{")
    assert main(["notices", "list", "--config", str(file)]) == 1
    assert store.path.read_bytes() == b"{" and "is damaged" in capsys.readouterr().err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["notices", "--help"])
    assert "aoi-daemon notices test maintenance" in capsys.readouterr().out
