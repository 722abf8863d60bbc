"""The command line as a whole: every --help has an example, and a command loads no more than it needs."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aoi_daemon import PROGRAM, __version__
from aoi_daemon.__main__ import main as started
from aoi_daemon.cli import main, parser

ROOT = Path(__file__).resolve().parents[2]


def commands(of: argparse.ArgumentParser, path: tuple[str, ...] = ()):
    """Every command and subcommand, as the words that name it."""
    yield path
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from commands(one, (*path, name))


def tools():
    """How each script of tools/ is run, without the environment that it would make first."""
    for script in sorted(path for path in (ROOT / "tools").iterdir() if path.is_file() and os.access(path, os.X_OK)):
        text = script.read_text()
        module = re.search(r'^exec "\$PY" -m ([\w.]+)((?: [\w-]+)*) "\$@"$', text, re.MULTILINE)
        words = [sys.executable, "-m", module[1], *module[2].split()] if module else [str(script)]
        if script.suffix == ".py":
            words = [sys.executable, str(script)]
        yield pytest.param(words, id=script.name, marks=_needs_torch if script.name == "train_detector" else ())


def _has_torch():
    import importlib.util

    return importlib.util.find_spec("torch") is not None


_needs_torch = pytest.mark.skipif(not _has_torch(), reason="torch is not installed (./tools/train_detector brings it)")


def examples_of(text: str) -> str:
    assert re.search(r"^examples:$", text, re.MULTILINE), text
    return text.partition("\nexamples:\n")[2]


@pytest.mark.parametrize("path", list(commands(parser())), ids=" ".join)
def test_every_help_of_the_program_has_an_example_of_that_command(path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*path, "--help"])
    assert ended.value.code == 0
    wanted = r"\b" + r"[ \w-]*\b".join(path or ("aoi-daemon",)) + r"\b"
    assert re.search(wanted, examples_of(capsys.readouterr().out))


@pytest.mark.parametrize("words", list(tools()))
def test_every_help_of_the_tools_has_an_example(words):
    found = subprocess.run([*words, "--help"], check=False, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert found.returncode == 0, found.stderr
    assert examples_of(found.stdout)


def test_the_version_has_the_commit(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(rf"aoi-daemon {re.escape(__version__)} \(([0-9a-f]{{7,}}(\+changes)?|unknown)\)\n", capsys.readouterr().out)


@pytest.mark.parametrize("words", [["status", "--help"], ["install", "--help"], ["--version"]])
def test_what_is_quick_loads_no_vendor_and_nothing_of_the_kit_that_it_does_not_need(words):
    code = (
        "import sys\nfrom aoi_daemon.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*(name for name in sys.modules if name.partition('.')[0] in {'numpy', 'cv2', 'rich', 'onnxruntime', 'pymodbus'}"
        " or name.startswith('aoi_daemon.kit.') and name not in {'aoi_daemon.kit.files', 'aoi_daemon.kit.install'}), file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert found.stderr.split() == []


# -- what a terminal, a disk and a keyboard do to any command --------------------------------------------------------


@pytest.mark.parametrize("words", [["--version"], ["plc-program", "--config", "config/line.toml"]], ids=lambda words: words[0])
def test_a_full_disk_behind_standard_output_is_said_in_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, str(PROGRAM), *words], check=False, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "aoi-daemon: standard output: No space left on device\n")


def test_a_reader_that_has_gone_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as gone:
        done = subprocess.run([sys.executable, str(PROGRAM), "--version"], check=False, stdout=gone, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "")


NOT_UTF_8 = os.fsdecode(b"line-\xff")


@pytest.mark.parametrize(
    "words",
    [["init", NOT_UTF_8], ["check-config", "--config", NOT_UTF_8], ["demo", "--records", NOT_UTF_8], ["user", "list", "--config", NOT_UTF_8], ["backup", NOT_UTF_8]],
    ids=lambda words: words[0],
)
def test_a_name_that_is_not_utf_8_is_refused_by_every_command(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert capsys.readouterr().err == "aoi-daemon: 'line-\\udcff': a name that is not UTF-8; rename it\n"
    assert not list(tmp_path.iterdir())


def test_a_file_in_a_folder_whose_name_is_not_utf_8_is_refused_too(tmp_path, monkeypatch, capsys):
    (tmp_path / NOT_UTF_8).mkdir()
    monkeypatch.chdir(tmp_path / NOT_UTF_8)
    assert main(["init", "."]) == 0
    assert main(["check-config", "--config", "line.toml"]) == 2
    assert "is not UTF-8; rename it" in capsys.readouterr().err


class _CtrlC:
    """Ctrl-C while the module `name` is imported."""

    def __init__(self, name):
        self.name = name

    def find_spec(self, name, *_):
        if name == self.name:
            raise KeyboardInterrupt


@pytest.mark.parametrize("module", ["aoi_daemon.cli", "aoi_daemon.preflight"])
def test_ctrl_c_while_a_command_is_loaded_is_no_traceback(module, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [_CtrlC(module), *sys.meta_path])
    monkeypatch.delitem(sys.modules, module, raising=False)
    assert started(["check-config", "--config", str(ROOT / "config/line.toml")]) == 130
