"""The list of mutants that no test can kill: complete entries, each of a mutant that there is."""

from pathlib import Path

import pytest

from tools.mutation import equivalents
from tools.mutation.errors import MutationError
from tools.mutation.mutants import mutants_in, mutants_of

ROOT = Path(__file__).parents[3]
ENTRY = "[[equivalent]]\nfile = 'a.py'\nfunction = ''\nbefore = 'X = 1'\nafter = 'X = 2'\nreason = 'r'\n"


def test_each_entry_is_of_a_mutant_that_there_is():
    entries = equivalents.read(ROOT / equivalents.FILE)
    files = {entry.file for entry in entries}
    found = [mutant for file in files if (ROOT / file).exists() for mutant in mutants_in(ROOT, file)]
    assert equivalents.unmatched(entries, found) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENTRY.replace("'r'", "' '"), "entry 1 needs the texts"),
        (ENTRY.replace("function = ''\n", ""), "entry 1 needs the texts"),
        (ENTRY + ENTRY.replace("= 'r'", "= 'other'"), "entry 2 is there twice"),
        ("[[equivalent", "Expected"),
    ],
)
def test_an_entry_that_is_not_complete_is_refused(tmp_path, text, words):
    file = tmp_path / "equivalents.toml"
    file.write_text(text)
    with pytest.raises(MutationError, match=words):
        equivalents.read(file)


@pytest.mark.parametrize("line", ["X = 1", "X = f('a', 1)", 'X = f("a", \'b\', 1)', "X = f('''a''', 'b', \"c\", 1)", r"X = f('\n', 1)"])
def test_what_is_printed_to_be_pasted_is_read_back(tmp_path, line):
    mutant = mutants_of("a.py", f"{line}\n")[0]
    file = tmp_path / "equivalents.toml"
    file.write_text(equivalents.as_toml(mutant).replace("reason = ''", "reason = 'r'"))
    assert [entry.matches(mutant) for entry in equivalents.read(file)] == [True]
