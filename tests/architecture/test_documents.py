"""The documents say what is there: links, commands and generated parts are checked against the code."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from aoi_daemon.command_line import KIT
from aoi_daemon.command_line import parser as command_line
from tests.architecture import documents as docs
from tests.architecture.documents import ROOT, Command
from tools.reference.__main__ import PARTS, renewed

README = ROOT / "README.md"
HISTORY = ROOT / "CHANGELOG.md"
"""Names commands and files of its time."""
MOST_LINES = 170

RUN = {"--help", "--version", "check-config", "plc-program", "bundle show", "golden list", "init", "install --dry-run"}
"""Commands of aoi-daemon that need nothing but a configuration: they are run, in their order, and must exit with 0."""
NOT_RUN = {
    "stage": "of the supervisor alone: how it starts its processes",
    "engines": "measures for half a minute; tests/unit/engine/test_measured.py runs it",
    "demo": "runs a line for minutes; tests/line runs it",
    "install": "changes the machine",
    "simulate-plc": "listens until it is ended",
    "run": "runs a line until it is ended",
    "status": "asks a line that runs",
    "reload": "asks a line that runs",
    "recipe": "asks a line that runs",
    "reset": "asks a line that runs",
    "clock": "asks a line that runs",
    "golden add": "reads a user's pictures",
    "golden remove": "needs the golden part of a user",
    "export": "reads a line's records",
    "replay": "reads a line's records",
    "audit verify": "reads a line's records",
    "token add": "changes a line's tokens",
    "user add": "asks for a password",
    "user password": "asks for a password",
    "user list": "reads a line's users",
    "user remove": "needs a line's user",
    "notices test": "needs a mail server",
    "notices list": "reads a line's notices",
    "backup": "copies a line to another disk",
    "restore": "needs a backup",
    "model inspect": "reads a user's model; tests/unit/engine/exports/inspect inspects",
    "bundle verify": "runs three models for ten seconds; tests/unit/engine verifies bundles",
    "bundle renew": "judges boards that are not part of the repository; tests/unit/engine renews bundles",
    "bundle make": "measures a model for minutes; tests/unit/engine makes bundles",
    "qualify": "reads a user's boards; tests/unit/engine qualifies",
    "calibrate target": "writes into the folder it is in; tests/unit/engine/calibrate writes targets",
    "calibrate measure": "reads a user's pictures; tests/unit/engine/calibrate measures",
    "calibrate check": "reads a user's pictures; tests/unit/engine/calibrate checks",
    "calibrate watch": "reads a user's pictures; tests/unit/engine/calibrate watches",
    "build-engine": "needs TensorRT",
}
ELSEWHERE = {
    "pip": "needs the network or a wheel",
    "python -m venv": "makes an environment for pip",
    "systemctl": "needs a service manager and root",
    "docker": "needs a Docker engine",
    "cd": "of the shell",
    "cp": "of the system",
    "mv": "of the system",
    "rm": "of the system",
    "ln": "of the system",
    "sqlite3": "reads a line's records",
}
"""Programs that are not ours; each command of ours is checked."""
WITHOUT_HELP = {
    "tools/test": "hands its arguments to pytest: --help would be pytest's",
    "-m tests.clock": "hands its arguments to pytest",
    "-m tools.reference": "takes no arguments, and writes",
}
DOCUMENTS = docs.documents()
COMMANDS = [command for document in DOCUMENTS if document != HISTORY for command in docs.commands(document)]
INLINE = [command for document in DOCUMENTS if document != HISTORY for command in docs.inline_commands(document)]
OURS = sorted({each.program for each in (*COMMANDS, *INLINE) if each.program.startswith(("tools/", "-m "))})


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_the_readme_is_read_before_the_first_command():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("document", DOCUMENTS, ids=named(DOCUMENTS))
def test_each_link_leads_to_a_file_and_a_heading_of_it(document):
    assert docs.broken_links(document) == []


def test_each_folder_at_the_top_has_a_readme_that_the_first_one_links():
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".") and _kept(path)}
    assert folders >= {"aoi_daemon", "config", "systemd", "tests", "tools"}
    linked = {link.partition("#")[0] for link in docs.links(README.read_text(encoding="utf-8"))}
    assert {f"{folder}/README.md" for folder in folders} - linked == set()


def _kept(folder: Path) -> bool:
    """Not one that a build has left."""
    return not re.search(rf"^/?{re.escape(folder.name)}/$", (ROOT / ".gitignore").read_text(), re.MULTILINE) and not (
        folder.name.endswith(".egg-info") or folder.name == "__pycache__"
    )


@pytest.mark.parametrize("document", PARTS)
def test_the_generated_parts_are_those_of_the_code(document):
    """Renew them with `python -m tools.reference`."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert renewed(document, text) == text


def test_each_document_that_the_code_points_to_is_there():
    """In messages, comments and docstrings, by its way from the top of the checkout or from the file itself."""
    missing = []
    for file in (*ROOT.glob("aoi_daemon/**/*"), *ROOT.glob("config/*.toml"), *ROOT.glob("systemd/**/*")):
        if file.suffix not in (".py", ".toml", ".service", ".conf", ".rules", ".json", ".css", ".js"):
            continue
        for name in re.findall(r"\b[\w./-]+\.md\b", file.read_text(encoding="utf-8")):
            if not any((folder / name).exists() for folder in (ROOT, file.parent)):
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert missing == []


def test_each_module_that_the_code_points_to_is_there():
    """In comments and docstrings, by its way from the top, from the package, or from the file itself: names move."""
    missing = []
    for file in (*ROOT.glob("aoi_daemon/**/*.py"), *ROOT.glob("tools/**/*.py"), *ROOT.glob("tests/unit/**/test_*.py")):
        if file.parent == ROOT / "tests/unit/tools":
            continue  # modules of made-up trees
        for name in set(re.findall(r"(?<![\w/.])(?:\w+/)+\w+\.py\b", file.read_text(encoding="utf-8"))):
            if not any((folder / name).exists() for folder in (ROOT, ROOT / "aoi_daemon", ROOT / "tests" / "unit", file.parent)):
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert missing == []


# -- commands -------------------------------------------------------------------


def test_each_command_is_in_a_block_that_is_checked():
    assert [line for document in DOCUMENTS if document != HISTORY for line in docs.unmarked(document)] == []


def test_each_program_is_ours_or_has_a_reason_not_to_be_checked():
    programs = {each.program for each in COMMANDS}
    others = {name for name in programs if name != "aoi-daemon" and name not in OURS}
    assert others - ELSEWHERE.keys() == set()


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next((dict(a.choices) for a in parser._actions if isinstance(a, argparse._SubParsersAction)), {})


def known_as(arguments: list[str]) -> tuple[str, argparse.ArgumentParser]:
    """The command that `arguments` begin with ("golden add"), and its parser."""
    parser, name = command_line(), []
    for word in arguments:
        if word not in (below := subparsers(parser)):
            break
        parser = below[word]
        name.append(word)
    if name == ["install"] and "--dry-run" in arguments:
        name.append("--dry-run")
    return " ".join(name) or " ".join(arguments[:1]), parser


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.program == "aoi-daemon"], ids=str)
def test_aoi_daemon_takes_each_command(command: Command):
    assert wrong_in(command) == ""
    name, _ = known_as(command.arguments)
    assert (name in RUN) is not (name in NOT_RUN), f"{command}: either it is run, or NOT_RUN says why not"


def wrong_in(command: Command) -> str:
    """What the program's own parser says against `command`."""
    first = command.arguments[:1]
    if first and first[0] in KIT:  # has a parser of its own
        known = asked([sys.executable, "-m", "aoi_daemon", *first])
        return " ".join(word for word in command.arguments if word.startswith("-") and f"{word} " not in known)
    if any("..." in word for word in command.arguments):
        return " ".join(sorted(named_options(command) - options_of(known_as(command.arguments)[1])))
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            command_line().parse_args(command.arguments)
        except SystemExit as end:
            return "" if end.code == 0 else told.getvalue().splitlines()[-1]
    return ""


def test_each_example_of_a_help_is_a_command_that_is_taken():
    examples = [each for text in helps(command_line()) for each in docs.examples(text)]
    assert len(examples) > 80
    assert [f"{each}: {wrong}" for each in examples if (wrong := wrong_in(each))] == []


def helps(parser: argparse.ArgumentParser) -> list[str]:
    """What each --help says below its options, of every command and sub-command."""
    kit = [asked([sys.executable, "-m", "aoi_daemon", name]) for name in KIT] if parser.prog == "aoi-daemon" else []
    below = [text for name, each in subparsers(parser).items() if name not in KIT for text in helps(each)]
    return [parser.epilog or "", *kit, *below]


def named_options(command: Command) -> set[str]:
    return {word.split("=")[0] for word in command.arguments if re.match(r"--?[a-z]", word)}


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def test_a_sentence_names_no_command_or_option_that_is_not_there():
    wrong = []
    for command in INLINE:
        if command.program != "aoi-daemon" or command.arguments[:1] == []:
            continue
        name, parser = known_as(command.arguments)
        there = name in RUN | NOT_RUN.keys() | subparsers(command_line()).keys()
        known = asked([sys.executable, "-m", "aoi_daemon", name.split()[0]]) if name.split()[0] in KIT else options_of(parser)
        if not there or any(option not in known for option in named_options(command)):
            wrong.append(str(command))
    assert wrong == []


@pytest.mark.parametrize("program", OURS)
def test_each_tool_is_there_and_knows_its_options(program):
    calls = [each for each in (*COMMANDS, *INLINE) if each.program == program]
    for command in calls:
        known = pytest_knows(command) if program == "tools/test" else help_of(program, tuple(command.arguments[:1]))
        unknown = {option for option in named_options(command) if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", known)}
        assert unknown == set(), str(command)


def pytest_knows(command: Command) -> str:
    """The script's own text, and the options of tests/conftest.py; paths that are named must be there."""
    for word in command.arguments:
        assert not word.startswith("tests/") or (ROOT / word).exists(), str(command)
    return (ROOT / "tools" / "test").read_text() + (ROOT / "tests" / "conftest.py").read_text() + " -k -n -q -x "


@cache
def help_of(program: str, first: tuple[str, ...]) -> str:
    """What `--help` says, also that of a sub-command. A tool's script installs what it needs: its module is asked."""
    if program in WITHOUT_HELP:
        return ""
    call = [sys.executable, "-m", program.removeprefix("-m ")]
    if program.startswith("tools/"):
        script = ROOT / program
        assert script.is_file(), f"{program} is not there"
        assert os.access(script, os.X_OK), f"{program} cannot be executed"
        starts = re.search(r'^exec "\$PY" -m ([\w. -]+?) "\$@"', script.read_text(), re.MULTILINE)
        call = [sys.executable, "-m", *starts[1].split()] if starts else [str(script)]
    said = asked(call)
    choice = first and re.search(rf"[{{,]{re.escape(first[0])}[,}}]", said)
    return said + (asked([*call, first[0]]) if choice else "")


@cache
def answer(call: tuple[str, ...]) -> str:
    done = subprocess.run([*call, "--help"], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    if "No module named 'torch'" in done.stderr:
        # The trainer is installed apart. Its options are in its text all the same.
        return "\n".join(file.read_text() for file in (ROOT / call[-1].replace(".", "/")).glob("*.py"))
    assert done.returncode == 0, f"{' '.join(call)} --help: {done.stderr}"
    return done.stdout


def asked(call: list[str]) -> str:
    """What `--help` says, asked for once."""
    return answer(tuple(call))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named(DOCUMENTS))
def test_what_needs_no_hardware_runs(document, tmp_path):
    """As written, in a folder of its own, with the line of config/ where the document means the one that is installed."""
    here = [each for each in docs.commands(document) if each.program == "aoi-daemon"] if document != HISTORY else []
    shutil.copytree(ROOT / "config", tmp_path / "config", ignore=shutil.ignore_patterns("*.md"))
    ran: set[str] = set()
    for command in here:
        name, parser = known_as(command.arguments)
        if name not in RUN:
            continue
        words = [word.replace("/etc/aoi-daemon/line.toml", "config/line.toml") for word in command.arguments]
        if "--config" in parser._option_string_actions and "--config" not in words:
            words += ["--config", "config/line.toml"]
        if (line := " ".join(words)) in ran:
            continue
        ran.add(line)
        done = subprocess.run(
            [sys.executable, "-m", "aoi_daemon", *words], capture_output=True, text=True, cwd=tmp_path, timeout=100, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
