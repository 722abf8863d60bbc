"""`tools/mutate` over a package of a few lines: what is killed, what lives, what is kept, what is refused."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.mutation.plan import GROUPS, MORE, candidates, files_of, mirror
from tools.mutation.table import wilson_lower

ROOT = Path(__file__).parents[3]

MODULE = '''\
"""A module."""

LIMIT = 10


def clipped(a):
    """At most LIMIT."""
    if a > LIMIT:
        return LIMIT
    return a


def doubled(a):
    return a * 2
'''
TESTS = """\
from pkg.clip import clipped, doubled


def test_clipped():
    assert clipped(11) == 10
    assert clipped(9) == 9


def test_doubled():
    assert doubled(0) == 0
"""
# As the command is, with nothing imported that these tests do not need, and a shorter wait for one that never ends.
COMMAND = """
import sys
from pathlib import Path
from tools.mutation import fork, trial
from tools.mutation.__main__ import main
fork.THIRD_PARTY = ("pytest",)
trial.EXTRA_S = 1.0
sys.exit(main(sys.argv[2:], root=Path(sys.argv[1]), top="pkg"))
"""
# What is 10 either way.
SAME = """
[[equivalent]]
file = 'pkg/clip.py'
function = 'clipped'
before = 'if a > LIMIT:'
after = 'if (a >= LIMIT):'
reason = 'at the limit both branches return it'
"""


class Project:
    def __init__(self, folder):
        self.folder = folder
        (folder / "pkg").mkdir()
        (folder / "tests" / "unit").mkdir(parents=True)
        (folder / "pkg" / "__init__.py").write_text("")
        self.module = folder / "pkg" / "clip.py"
        self.tests = folder / "tests" / "unit" / "test_clip.py"
        self.list = folder / "tests" / "equivalents.toml"
        self.module.write_text(MODULE)
        self.tests.write_text(TESTS)
        (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"\n')

    def mutate(self, *words):
        self.done = subprocess.run(
            [sys.executable, "-c", COMMAND, self.folder, *(words or ["pkg/clip.py"])],
            check=False, cwd=self.folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        return self.done.returncode

    def begin(self):
        command = [sys.executable, "-c", COMMAND, self.folder, "pkg/clip.py", "--jobs", "1"]
        where = {"cwd": self.folder, "env": {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}}
        return subprocess.Popen(command, **where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @property
    def lived(self):
        return [line.split()[0] for line in self.done.stdout.splitlines() if line.startswith("pkg/")]

    @property
    def kept(self):
        return [json.loads(line) for line in (self.folder / ".mutation" / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


WEAK = ["pkg/clip.py:8:8:compare:0", "pkg/clip.py:14:12:arithmetic:0", "pkg/clip.py:14:16:constant:0", "pkg/clip.py:14:16:constant:1"]


def test_what_no_test_notices_is_told_and_once_it_is_noticed_no_more(project):
    assert project.mutate() == 1
    assert project.lived == WEAK
    assert "| pkg/clip.py | 13 | 9 | 0 | 0 | 0 | 4 | 69.2% |  |" in project.done.stdout

    # Of another length: in the same second Python would take a text of the same for the one that it has compiled.
    project.tests.write_text(TESTS.replace("doubled(0) == 0", "doubled(3) == 3 + 3"))
    before = len(project.kept)
    assert project.mutate() == 1
    assert project.lived == WEAK[:1]
    # Those that were killed stay so; the one that the other test executes is tried again, for its file is another.
    assert {entry["id"] for entry in project.kept[before:]} == set(WEAK)

    project.list.write_text(SAME)
    before = len(project.kept)
    assert project.mutate() == 0
    assert project.kept[before:] == [] and "0 to try" in project.done.stderr
    assert "| pkg/clip.py | 13 | 12 | 0 | 0 | 1 | 0 | 100.0% |  |" in project.done.stdout


def test_a_changed_function_is_tried_anew_and_no_other(project):
    project.mutate()
    before = len(project.kept)
    project.module.write_text("# a line more\n" + MODULE.replace("return a * 2", "return 2 * a"))
    project.mutate()
    tried = {entry["id"].split(":")[1] for entry in project.kept[before:]}
    assert tried == {"15"}


def test_an_entry_that_matches_nothing_or_that_a_test_kills_is_refused(project):
    project.list.write_text(SAME.replace("a >= LIMIT", "a >= LIMITS"))
    assert project.mutate() == 2
    assert "matches no mutant any more: pkg/clip.py, clipped" in project.done.stderr
    project.list.write_text(SAME.replace("(a >= LIMIT)", "(a <= LIMIT)"))
    assert project.mutate("pkg/clip.py", "--table") == 2
    assert "is no equivalent, tests/unit/test_clip.py::test_clipped kills it" in project.done.stderr


def test_red_without_a_mutant_it_says_so_and_tries_none(project):
    project.tests.write_text(TESTS.replace("== 9", "== 8"))
    assert project.mutate() == 2
    assert "red without any mutant" in project.done.stderr and "test_clipped" in project.done.stderr
    assert not (project.folder / ".mutation" / "results.jsonl").exists()


@pytest.mark.long
def test_what_cannot_be_imported_never_ends_or_is_reached_by_no_test_is_counted_by_itself(project):
    project.module.write_text(
        MODULE + "\n\ndef checked(a):\n    if a != 3:\n        raise ValueError(a)\n\n\nchecked(3)\n"
        "\n\ndef counted(a):\n    while a > 0:\n        a -= 1\n    return a\n\n\ndef never():\n    return 5\n"
    )
    project.tests.write_text(TESTS.replace("doubled\n", "doubled, counted\n").replace("doubled(0) == 0", "doubled(3) == 6\n    assert counted(2) == 0", 1))
    assert project.mutate() == 1
    of = {entry["id"].partition(":")[2]: entry["status"] for entry in project.kept}
    assert of["18:8:compare:0"] == "import"
    assert of["27:9:statement:0"] == "timeout"
    assert of["32:5:return:0"] == "unreached"
    assert of["8:8:compare:1"] == "killed"


def test_one_mutant_is_shown_with_an_entry_to_paste(project):
    assert project.mutate("--show", WEAK[0]) == 0
    assert "+    if (a >= LIMIT):" in project.done.stdout
    pasted = "[[equivalent]]" + project.done.stdout.partition("[[equivalent]]")[2]
    project.list.write_text(pasted)
    assert project.mutate("pkg/clip.py", "--survivors") == 2
    assert "entry 1 needs the texts" in project.done.stderr
    project.list.write_text(pasted.replace("reason = ''", "reason = 'the same'"))
    assert project.mutate("pkg/clip.py", "--survivors") == 0


def test_a_larger_sample_of_a_seed_holds_the_smaller(project):
    project.mutate("pkg/clip.py", "--sample", "4", "--seed", "3")
    first = {entry["id"] for entry in project.kept}
    assert len(first) == 4 and "| 4 of 13 |" in project.done.stdout
    project.mutate("pkg/clip.py", "--sample", "8", "--seed", "3")
    assert len(project.kept) == 8 and first < {entry["id"] for entry in project.kept}


def test_stopped_with_ctrl_c_it_keeps_what_is_done_and_goes_on_from_there(project):
    results = project.folder / ".mutation" / "results.jsonl"
    running = project.begin()
    until = time.monotonic() + 90
    while not results.exists() and time.monotonic() < until:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=90)
    done = len(project.kept)
    assert (running.returncode, "what is done is kept" in said) == (130, True), said
    assert 1 <= done < 13
    project.mutate()
    assert f"{done} of them known" in project.done.stderr and len(project.kept) == 13


def test_a_path_that_holds_no_module_is_refused_with_the_groups(project):
    assert project.mutate("pkg/clap.py") == 2
    assert "pkg/clap.py: no Python file there, and no group of that name (there are: plc, decide" in project.done.stderr


def test_a_line_that_was_cut_short_by_a_kill_loses_no_other(project):
    project.mutate()
    file = project.folder / ".mutation" / "results.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-1], lines[-1][:20]]) + "\n")
    project.mutate()
    assert "12 of them known, 1 to try" in project.done.stderr


@pytest.mark.parametrize(("hits", "of", "lower"), [(59, 60, 0.911), (0, 10, 0.0), (10, 10, 0.722), (81, 263, 0.255)])
def test_the_lower_end_of_wilsons_interval(hits, of, lower):
    """81 of 263: R. G. Newcombe, Statistics in Medicine 17 (1998), 0.2553 to 0.3662."""
    assert wilson_lower(hits, of) == pytest.approx(lower, abs=5e-4)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_group_is_killed_by_the_tests_of_its_modules_names(group):
    """Where a module has a test of its name; the folder's others come with it."""
    modules = files_of(ROOT, group.paths)
    tests = candidates(ROOT, group.paths)
    named = [mirror(module) for module in modules if (ROOT / mirror(module)).exists()]
    assert named
    assert set(named) <= set(tests)


@pytest.mark.parametrize(
    ("module", "tests", "none"),
    [
        ("aoi_daemon/decide/overlap.py", {"decide/test_overlap.py", "decide/test_judge.py"}, {"plc/test_wire.py"}),
        ("aoi_daemon/messages.py", {"test_messages.py", "ring/test_frames.py"}, {"plc/test_wire.py"}),
        ("aoi_daemon/preflight.py", {"preflight/test_preflight.py"}, {"test_messages.py"}),
        ("aoi_daemon/hmi/access/users.py", {"hmi/access/test_users_file.py"}, {"hmi/pages/test_live.py"}),
        ("aoi_daemon/ring", {"ring/test_journal.py", "plc/test_upkeep.py"}, {"plc/test_link.py"}),
    ],
)
def test_a_modules_tests_are_those_of_its_place_and_a_few_more(module, tests, none):
    found = candidates(ROOT, (module,))
    assert {f"tests/unit/{each}" for each in tests} <= set(found)
    assert not {f"tests/unit/{each}" for each in none} & set(found)
    assert len(found) == len(set(found)), "a file twice is run twice"


def test_what_is_said_to_kill_more_is_there():
    for place, more in MORE.items():
        assert files_of(ROOT, (place,)), place
        for each in more:
            assert files_of(ROOT, (each,), "test_*.py"), f"{place}: {each}"
