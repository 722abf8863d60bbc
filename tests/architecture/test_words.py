"""Words that a field engineer would not say stay out of code, messages and documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BANNED = {
    r"\b(line|plc|program|stage|inspection|heartbeat) (stands|stood)\b": "is stopped, has stopped, does not move",
    r"\bheld against\b": "checked against, compared with",
    r"\bbeside the path\b": "off the critical path",
    r"\banother life\b": "from before the restart",
    r"\bnobody feels\b": "too short to matter",
    r"\bwaits for nobody|\bnobody's tick": "does not wait for",
    r"\bbur(y|ied|ies)\b": "say what is hidden, and by what",
    r"\b(is|are|not|it|lands?|appears?|replaced|in) whole\b|\bwhole (or not|answer|bundle)\b": "complete",
    r"\bhow manieth\b": "number",
}

EXCEPTIONS = {
    "tests/architecture/test_words.py": "it names them",
    "CHANGELOG.md": "what was released is left as it was said",
}
SKIPPED = {".git", ".venv", ".hypothesis", ".mutation", ".mypy_cache", ".ruff_cache", "runs", "node_modules", "shared", "build", "dist"}
READ = (".py", ".md", ".toml", ".html", ".js", ".css", ".st", ".yml", ".yaml", ".service", ".conf", ".rules")


def texts() -> list[Path]:
    """Each file of the repository that people read the words of: code, documents, texts of the page, units, alert rules."""
    found: list[Path] = []
    for path in ROOT.iterdir():
        if path.name in SKIPPED:
            continue
        found += [path] if path.is_file() else [each for suffix in READ for each in path.rglob(f"*{suffix}")]
    return sorted(path for path in found if path.suffix in READ and not SKIPPED & set(path.relative_to(ROOT).parts))


def excepted(path: Path) -> bool:
    """Whether a file, or a folder that it lies in, is among the exceptions."""
    name = path.relative_to(ROOT).as_posix()
    return any(name == each or name.startswith(f"{each}/") for each in EXCEPTIONS)


@pytest.mark.parametrize("banned", BANNED)
def test_what_a_field_engineer_would_not_say_is_not_written(banned):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in texts()
        if not excepted(path)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(banned, line, re.IGNORECASE)
    ]
    assert found == [], f"say: {BANNED[banned]}"


def test_what_is_excepted_is_there():
    assert [name for name in EXCEPTIONS if not (ROOT / name).exists()] == []
