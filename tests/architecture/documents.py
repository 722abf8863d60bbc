"""What the documents (*.md) say that can be checked: their headings, links and commands."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(\s*)```(\w*)")
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ABBREVIATIONS = re.compile(r"\.\.\.|\[|\||<")
"""What makes a command a sketch of one: `user add ...`, `backup [DIR]`, `export --format csv|jsonl`."""


@dataclass(frozen=True)
class Command:
    """One command of a document: its words, without what comes before it (sudo, VAR=1) and where its output goes."""

    where: str
    words: tuple[str, ...]
    sketch: bool = False

    @property
    def program(self) -> str:
        """`aoi-daemon`, `tools/NAME`, `-m MODULE`, or another program by its name."""
        first = self.words[0]
        if first == "aoi-daemon" or first.endswith("/bin/aoi-daemon"):
            return "aoi-daemon"
        if (tool := first.removeprefix("./")).startswith("tools/"):
            return tool
        if re.fullmatch(r"(\S+/)?python3?", first) and self.words[1:2] == ("-m",):
            module = self.words[2]
            return f"-m {module}" if module.split(".")[0] in ("aoi_daemon", "tools", "tests") else f"python -m {module}"
        return first.rsplit("/", 1)[-1]

    @property
    def arguments(self) -> list[str]:
        """What follows the program."""
        return list(self.words[3:] if self.program.startswith("-m ") else self.words[1:])

    def __str__(self) -> str:
        return f"{self.where}: {' '.join(self.words)}"


@cache
def documents(root: Path = ROOT) -> list[Path]:
    """Every *.md of the checkout; folders of tools and of git are not part of it."""
    found: list[Path] = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".") and name not in ("node_modules", "build", "runs")]
        found += [Path(folder, name) for name in names if name.endswith(".md")]
    return sorted(found)


def prose(text: str) -> str:
    """`text` without its blocks of code; as many lines as before."""
    kept, inside = [], False
    for line in text.splitlines():
        fence = FENCE.match(line) is not None
        kept.append("" if fence or inside else line)
        inside ^= fence
    return "\n".join(kept)


def anchors(text: str) -> set[str]:
    """What a link may name behind `#`, as GitHub makes it of the headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", prose(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(name if name not in found else f"{name}-{sum(each.startswith(name) for each in found)}")
    return found


def links(text: str) -> list[str]:
    """Where the links and pictures of `text` lead, but for other sites."""
    plain = INLINE.sub("", prose(text))
    return [to for to in LINK.findall(plain) if not re.match(r"[a-z]+:", to)]


def broken_links(document: Path) -> list[str]:
    """Links of `document` to no file, or to no heading of it."""
    broken = []
    for link in links(document.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    return broken


def commands(document: Path) -> list[Command]:
    """Of the blocks marked `sh` or `console`, in their order."""
    return [command for line, text in _lines(document, shell=True) for command in _split(f"{_name(document)}:{line}", text)]


def unmarked(document: Path) -> list[str]:
    """Lines that look like a command of ours, in a block that is not marked as one: nothing would check them."""
    ours = re.compile(r"^\s*(\$ )?(sudo )?(aoi-daemon|(\./)?tools/\w+|python3? -m (tools|tests|aoi_daemon))\b")
    return [f"{_name(document)}:{line}: {text}" for line, text in _lines(document, shell=False) if ours.match(text)]


def inline_commands(document: Path) -> list[Command]:
    """Commands of ours that a sentence names between backticks; what follows the first of several is left out."""
    found = []
    for number, line in enumerate(prose(document.read_text(encoding="utf-8")).splitlines(), 1):
        for text in INLINE.findall(line):
            if re.match(r"(sudo )?(aoi-daemon|(\./)?tools/\w|python3? -m (tools|tests|aoi_daemon))", text) and " " in text:
                sketch = ABBREVIATIONS.search(text)
                whole = text[: sketch.start()] if sketch else text
                found += [
                    Command(each.where, each.words, sketch=True) for each in _split(f"{_name(document)}:{number}", whole)
                ]
    return found


def examples(text: str) -> list[Command]:
    """The commands of aoi-daemon that a `--help` names as examples; what each does is behind two blanks."""
    text = re.sub(r"\\\n\s*", "", text)
    found = re.findall(r"^  (?:sudo )?(?:-u \w+ )?(?:\S+/)?(aoi-daemon .*?)(?:  .*| \|.*)?$", text, re.MULTILINE)
    return [each for line in found for each in _split("--help", line) if each.program == "aoi-daemon"]


def _name(document: Path) -> str:
    return str(document.relative_to(ROOT)) if document.is_relative_to(ROOT) else document.name


def _lines(document: Path, *, shell: bool) -> Iterator[tuple[int, str]]:
    """The lines of blocks of code with their numbers; a line that ends with a backslash goes on in the next."""
    language, joined, began = None, "", 0
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        if fence := FENCE.match(line):
            language = fence[2] if language is None else None
            continue
        indented = language is None and line.startswith("    ")
        if shell and (language not in ("sh", "console") or (language == "console" and not joined and line[:2] != "$ ")):
            continue  # no command, or what one has answered
        if not shell and (language in ("sh", "console") or (language is None and not indented)):
            continue
        joined, began = joined + line.removeprefix("$ ").removesuffix("\\"), began or number
        if not line.endswith("\\"):
            yield began, joined
            joined, began = "", 0


def _split(where: str, line: str) -> Iterator[Command]:
    """The commands of one line of shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    dropped = False
    for word in [*lexer, ";"]:
        if word in (";", "&&", "||", "|", "&"):
            while words and (words[0] == "sudo" or re.match(r"[A-Z_]+=", words[0])):
                words.pop(0)
            if words:
                yield Command(where, tuple(words))
            words = []
        elif re.fullmatch(r"[<>]+", word) or dropped:
            dropped = not dropped
        else:
            words.append(word)
