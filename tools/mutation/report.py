"""What a campaign came to, in words: survivors, the table, one mutant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.mutation import equivalents, table
from tools.mutation.campaign import Drawn
from tools.mutation.equivalents import Entry
from tools.mutation.errors import MutationError
from tools.mutation.mutants import Mutant, diff
from tools.mutation.results import Results
from tools.mutation.table import Row
from tools.mutation.trial import Status


class Report:
    """Over the results that are known."""

    def __init__(self, results: Results, entries: Sequence[Entry]) -> None:
        self._results = results
        self._entries = entries

    def equivalent(self, mutant: Mutant) -> bool:
        """True where an entry names it."""
        return any(entry.matches(mutant) for entry in self._entries)

    def survivors(self, groups: Sequence[Drawn]) -> Iterator[tuple[Mutant, Status]]:
        """Those that live and are not listed as equivalent."""
        for mutant in _judged(groups):
            known = self._results.get(mutant)
            if known and not known.status.dead and not self.equivalent(mutant):
                yield mutant, known.status

    def wrong_entries(self, groups: Sequence[Drawn]) -> list[str]:
        """Entries of these files that match no mutant, or one that a test kills; in words."""
        everything = [mutant for group in groups for mutants in group.all.values() for mutant in mutants]
        files = {path for group in groups for path in group.all}
        here = [entry for entry in self._entries if entry.file in files]
        wrong = [f"matches no mutant any more: {_named(entry)}" for entry in equivalents.unmatched(here, everything)]
        for mutant in everything:
            known = self._results.get(mutant)
            if known and known.status.dead and self.equivalent(mutant):
                wrong.append(f"is no equivalent, {known.by} kills it: {mutant.id}")
        return wrong

    def table(self, groups: Sequence[Drawn]) -> str:
        """Markdown."""
        return table.markdown((group.group.name, self.rows(group)) for group in groups)

    def rows(self, group: Drawn) -> list[Row]:
        """One for each file that has mutants."""
        return [self._row(path, group.all[path], judged) for path, judged in group.judged.items() if group.all[path]]

    def _row(self, path: str, everything: Sequence[Mutant], judged: Sequence[Mutant]) -> Row:
        statuses = [known.status if (known := self._results.get(each)) else None for each in judged]
        equivalent = [self.equivalent(each) for each in judged]
        pairs = list(zip(statuses, equivalent, strict=True))
        return Row(
            path, len(everything), len(judged),
            killed=sum(1 for status in statuses if status and status.dead),
            at_import=statuses.count(Status.IMPORT), timeouts=statuses.count(Status.TIMEOUT),
            equivalent=sum(1 for status, same in pairs if same and not (status and status.dead)),
            survived=sum(1 for status, same in pairs if status and not status.dead and not same),
            left=sum(1 for status, same in pairs if status is None and not same),
        )  # fmt: skip


def show(root: Path, mutant: Mutant, results: Results) -> str:
    """Its diff, what came of it, and an entry for the list of equivalents."""
    known = results.get(mutant)
    came = "not tried yet" if known is None else f"{known.status.value} {known.by}".strip()
    source = (root / mutant.path).read_text()
    entry = f"if no test can kill it, {equivalents.FILE}:\n{equivalents.as_toml(mutant)}"
    return f"{mutant.id}  {came}\n{diff(source, mutant)}\n{entry}"


def find(groups: Sequence[Drawn], name: str) -> Mutant:
    """The mutant of this id.

    Raises:
        MutationError: there is none.
    """
    for group in groups:
        for mutants in group.all.values():
            for mutant in mutants:
                if mutant.id == name:
                    return mutant
    raise MutationError(f"{name}: no mutant of that id; ids change with the file, see --survivors")


def line(mutant: Mutant, status: Status) -> str:
    """One survivor in a line of text, and the change below it."""
    note = "" if status is Status.SURVIVED else f"  ({status.value})"
    return f"{mutant.id}  {mutant.function or 'module'}{note}\n    - {mutant.before}\n    + {mutant.after}"


def _judged(groups: Sequence[Drawn]) -> Iterator[Mutant]:
    return (mutant for group in groups for mutants in group.judged.values() for mutant in mutants)


def _named(entry: Entry) -> str:
    return f"{entry.file}, {entry.function or 'module'}: {entry.before!r} -> {entry.after!r}"
