import sys

from aoi_daemon.engine.progress import Progress


def test_a_bar_is_shown_on_stderr_and_taken_away(capsys, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Progress(shown=True) as progress:
        advance = progress.task("qualifying fp32", 3)
        for _ in range(3):
            advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert "qualifying fp32" in err
    assert "3/3" in err


def test_nothing_is_shown_where_nobody_looks(capsys):
    with Progress() as progress:
        progress.task("qualifying fp32", 3)()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_without_rich_goes_without_bars(capsys, monkeypatch):
    for name in ("rich", "rich.console", "rich.progress"):
        monkeypatch.setitem(sys.modules, name, None)
    with Progress(shown=True) as progress:
        progress.task("qualifying fp32", 3)()
    assert capsys.readouterr() == ("", "")
