"""Runs the structured text that the daemon hands out: enough of IEC 61131-3 for what it writes, and no more."""

from __future__ import annotations

import re
from typing import Any

_WORDS = {"AND": "and", "OR": "or", "NOT": "not", "TRUE": "True", "FALSE": "False", "MOD": "%"}
_TOKEN = re.compile(r"T#\d+ms|<>|>=|<=|:=|[A-Za-z_][\w.]*|\d+|[-+*()<>=\[\],]")


class Ton:
    """The standard's on-delay timer; `clock_ms` is set by the test."""

    def __init__(self) -> None:
        self.Q = False
        self._since: int | None = None

    def call(self, now_ms: int, IN: bool, PT: int) -> None:
        self._since = (now_ms if self._since is None else self._since) if IN else None
        self.Q = self._since is not None and now_ms - self._since >= PT


class Block:
    """One function block of `source`: `call(**inputs)` runs its body, `values` has its variables."""

    def __init__(self, source: str, name: str) -> None:
        text = re.search(rf"FUNCTION_BLOCK {name}\n(.*?)END_FUNCTION_BLOCK", source, re.S)
        assert text is not None, name
        plain = re.sub(r"\(\*.*?\*\)", "", text.group(1), flags=re.S)
        sections = re.findall(r"VAR(?:_INPUT|_OUTPUT)?\n(.*?)END_VAR", plain, re.S)
        body = plain[plain.rindex("END_VAR") + len("END_VAR") :]
        self.now_ms = 0
        self.values: dict[str, Any] = {}
        for declaration in "".join(sections).split(";"):
            self._declare(declaration)
        self._code = compile(self._python(body), name, "exec")

    def _declare(self, text: str) -> None:
        if not text.strip():
            return
        found = re.fullmatch(r"\s*([\w, ]+?)\s*:\s*(ARRAY\[0\.\.(\d+)\] OF )?(\w+)\s*(?::=\s*(\S+))?\s*", text)
        assert found is not None, text
        names, _, last, kind, start = found.groups()
        for name in names.split(","):
            fresh: Any = {"BOOL": False, "TON": None}.get(kind, 0)
            if last is not None:
                fresh = [fresh] * (int(last) + 1)
            elif kind == "TON":
                fresh = Ton()
            elif start is not None:
                fresh = eval(self._expression(start))
            assert name.strip() not in self.values, f"{name} is declared twice"
            self.values[name.strip()] = fresh

    def _python(self, body: str) -> str:
        lines, depth = [], 0
        for statement in re.split(r"(?<=;)|(?<=THEN)|(?<=ELSE)", body):
            words = statement.strip().rstrip(";")
            if not words:
                continue
            if words == "END_IF":
                depth -= 1
                continue
            if words.startswith(("ELSIF", "ELSE")):
                depth -= 1
            lines.append("    " * depth + self._statement(words))
            depth += words.startswith(("IF ", "ELSIF", "ELSE"))
        assert depth == 0, "an IF is not ended"
        return "\n".join(lines)

    def _statement(self, words: str) -> str:
        if words.startswith("IF "):
            return f"if {self._expression(words[3:-4])}:"
        if words.startswith("ELSIF "):
            return f"elif {self._expression(words[6:-4])}:"
        if words == "ELSE":
            return "else:"
        call = re.fullmatch(r"(\w+)\((.*)\)", words)
        if call is not None and ":=" in call.group(2):
            given = ", ".join(f"{a.strip()}={self._expression(b)}" for a, b in (one.split(":=") for one in call.group(2).split(",")))
            return f"values[{call.group(1)!r}].call(now_ms, {given})"
        target, value = words.split(":=")
        return f"{self._expression(target)} = {self._expression(value)}"

    def _expression(self, text: str) -> str:
        found = []
        for token in _TOKEN.findall(text):
            if token.startswith("T#"):
                found.append(token[2:-2])
            elif token in ("<>", "XOR"):
                found.append("!=")
            elif token == "=":
                found.append("==")
            elif token in _WORDS:
                found.append(_WORDS[token])
            elif token[0].isalpha():
                name, _, member = token.partition(".")
                assert name in self.values, f"{name} is not declared"
                found.append(f"values[{name!r}]" + (f".{member}" if member else ""))
            else:
                found.append(token)
        return " ".join(found)

    def call(self, now_ms: int, **inputs: Any) -> dict[str, Any]:
        """One scan at `now_ms`; the variables after it."""
        for name, value in inputs.items():
            assert name in self.values, name
            self.values[name] = value
        exec(self._code, {"values": self.values, "now_ms": now_ms})
        return self.values
