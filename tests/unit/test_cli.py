"""The command line as a whole: every --help has an example, and a command loads no more than it needs."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aoi_daemon import __version__
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
