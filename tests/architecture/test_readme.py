"""The README says what the code does."""

from pathlib import Path

from tools.reference.__main__ import README, renewed


def test_the_generated_parts_are_those_of_the_code():
    """Renew them with `python -m tools.reference`."""
    text = README.read_text()
    assert renewed(text) == text


def test_every_file_that_the_readme_names_is_there():
    import re

    root = README.parent
    named = set(re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()))
    missing = [name for name in named if not (root / name).exists()]
    assert missing == []
    assert Path(root / "LICENSE").exists()
