"""What a disk may hold after its power was cut: from the log of what was written, at any point of it. Pure.

The model is that of POSIX with a disk that keeps its word about a flush, a little harsher than ext4 (data=ordered), XFS and
btrfs are (the kernel's Documentation/filesystems/ext4 "auto_da_alloc" and "data="; T. Pillai et al., "All File Systems
Are Not Created Equal", OSDI 2014; sqlite.org/atomiccommit.html, section 2 and 9):

- fsync or fdatasync of a file keeps its content and length as they were when the call began, from when it has returned. It
  does not keep the file's name: that takes an fsync of its folder.
- What is not synced may be there or not, page by page (4 KiB), in any order; a page is as it was after any of its writes,
  and torn at 512 bytes between two such states. The length may be any of those that the file has had since, so that it
  may be longer than what was written: zeros.
- Names (create, rename, unlink, mkdir) reach the disk in the order of each folder, of different folders in any order; a
  rename is there completely or not at all, also from one folder into another. fsync of a folder keeps what it names, and what
  must come before that.

Not modelled: a disk that says that it has flushed and has not, one that damages what it does not write, permissions that are
older than the content (fchmod counts at once), and the -shm file, which SQLite makes anew after a cut.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

PAGE, SECTOR = 4096, 512
_HEAD = struct.Struct("<IIIIQQQ")


class Record(NamedTuple):
    """One call. `kind` as in write_log.c: c created, w write, t truncate, a mode, r rename, u unlink, m mkdir, d rmdir,
    s sync begins, e sync has ended, x not understood; and M: a mark that the recording's owner has put there."""

    kind: str
    first: str
    second: str
    data: bytes
    inode: int
    offset: int
    ticket: int


def mark(log: Path, what: dict[str, Any]) -> None:
    """Put a mark into the log: what is known to be kept from here on."""
    data = json.dumps(what).encode()
    with open(log, "ab", buffering=0) as file:
        file.write(_HEAD.pack(ord("M"), 0, 0, len(data), 0, 0, 0) + data)


def read_log(file: Path) -> list[Record]:
    raw, found, at = file.read_bytes(), [], 0
    while at < len(raw):
        kind, first, second, data, inode, offset, ticket = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        a, b, c = at + first, at + first + second, at + first + second + data
        found.append(Record(chr(kind), raw[at:a].decode(), raw[a:b].decode(), raw[b:c], inode, offset, ticket))
        at = c
    return found


@dataclass
class File:
    """One file's content: what is kept, and the writes since then as (number, offset or length, data or None: a cut)."""

    kept: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    mode: int = 0o644

    def sync(self, before: int) -> None:
        while self.since and self.since[0][0] < before:
            _, offset, data = self.since.pop(0)
            _apply(self.kept, offset, data)

    def now(self) -> bytes:
        content = bytearray(self.kept)
        for _, offset, data in self.since:
            _apply(content, offset, data)
        return bytes(content)

    def after_cut(self, rng: random.Random) -> bytes:
        """The content that the disk may have."""
        if not self.since:
            return bytes(self.kept)
        choice = rng.random()
        if choice < 0.2:
            return bytes(self.kept)
        if choice < 0.4:
            return self.now()
        content, length = bytearray(self.kept), len(self.kept)
        lengths, pages = [length], {}
        for _, offset, data in self.since:
            before = content[:]
            _apply(content, offset, data)
            lengths.append(len(content))
            last = max(offset + len(data), len(before) + 1) if data is not None else max(len(before), len(content))
            for page in range(min(offset, len(before)) // PAGE, (last + PAGE - 1) // PAGE):
                new, old = content[page * PAGE : (page + 1) * PAGE], before[page * PAGE : (page + 1) * PAGE]
                if new != old:
                    pages.setdefault(page, [bytes(self.kept[page * PAGE : (page + 1) * PAGE])]).append(bytes(new))
        found = bytearray(self.kept)
        for page, states in pages.items():
            state, other = rng.choice(states), rng.choice(states)
            if rng.random() < 0.3:  # torn
                state, other = state.ljust(PAGE, b"\0"), other.ljust(PAGE, b"\0")
                state = b"".join((state, other)[rng.random() < 0.5][at : at + SECTOR] for at in range(0, PAGE, SECTOR))
            _apply(found, page * PAGE, state.ljust(PAGE, b"\0"))
        length = rng.choice(lengths)
        return bytes(found[:length].ljust(length, b"\0"))


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del content[offset:]
        data = b""
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class Name(NamedTuple):
    """One change of names that is not known to be kept. `folders` by number: those that it stands in."""

    number: int
    folders: tuple[str, ...]
    record: Record
    file: File | None


class Disk:
    """The folder that was written to, as the log goes on. `drop`: what a fault leaves out, see `FAULTS`."""

    def __init__(self, files: dict[str, tuple[int, bytes, int]], folders: set[str], drop: str = "") -> None:
        """`files`: what was there at the beginning and is kept, by path: inode, content, mode."""
        self._kept: dict[str, File] = {}
        self._by_inode: dict[int, File] = {}
        self._folders = set(folders)
        self._names: list[Name] = []
        self._begun: dict[int, int] = {}
        self._drop = drop
        self._paths: dict[int, str] = {}
        self.number = 0
        for path, (inode, content, mode) in files.items():
            self._kept[path] = self._by_inode[inode] = File(bytearray(content), mode=mode)
            self._paths[inode] = path

    def feed(self, record: Record) -> None:
        """The next record of the log."""
        self.number += 1
        kind = record.kind
        if kind == "x":
            raise NotImplementedError(f"{record.first}: the model does not know this call ({record})")
        if kind == "c":
            self._by_inode[record.inode] = File(mode=int.from_bytes(record.data, "little"))
            self._paths[record.inode] = record.first
            self._name(record, (_parent(record.first),), self._by_inode[record.inode])
        elif kind in "wt":
            self._by_inode[record.inode].since.append((self.number, record.offset, record.data if kind == "w" else None))
        elif kind == "a":
            if record.inode in self._by_inode:
                self._by_inode[record.inode].mode = record.offset
        elif kind == "r":
            self._name(record, tuple({_parent(record.first), _parent(record.second)}), None)
        elif kind in "umd":
            self._name(record, (_parent(record.first),), None)
        elif kind == "s":
            self._begun[record.ticket] = self.number
        elif kind == "e":
            self._synced(record, self._begun.pop(record.ticket))

    def _name(self, record: Record, folders: tuple[str, ...], file: File | None) -> None:
        self._names.append(Name(self.number, folders, record, file))

    def _synced(self, record: Record, begun: int) -> None:
        if record.first:
            if self._drop != "folders":
                self._sync_folder("" if record.first == "." else record.first, begun)
        elif self._drop != "files" and not (self._drop == "wal" and self._paths.get(record.inode, "").endswith("-wal")):
            self._by_inode[record.inode].sync(begun)

    def _sync_folder(self, folder: str, before: int) -> None:
        # Backwards: what stood in a folder before a name that is kept is kept too, also in the folder it came from.
        due, kept = {folder: before}, []
        for name in reversed(self._names):
            latest = max((due.get(each, 0) for each in name.folders), default=0)
            if name.number < latest:
                kept.append(name)
                for each in name.folders:
                    due[each] = max(due.get(each, 0), latest)
        for name in reversed(kept):
            _change(self._kept, self._folders, name)
        gone = {id(name) for name in kept}
        self._names = [name for name in self._names if id(name) not in gone]

    def after_cut(self, rng: random.Random) -> tuple[dict[str, tuple[bytes, int]], set[str]]:
        """What the disk may hold now: files by path with content and mode, and folders."""
        files, folders = dict(self._kept), set(self._folders)
        choice = rng.random()
        if choice < 0.2:
            names: list[Name] = []
        elif choice < 0.4:
            names = self._names
        elif choice < 0.6:  # one journal
            names = self._names[: rng.randint(0, len(self._names))]
        else:  # each folder by itself
            names, stopped, most = [], set(), rng.random() ** 3
            for name in self._names:
                if stopped.isdisjoint(name.folders) and rng.random() > most:
                    names.append(name)
                else:
                    stopped.update(name.folders)
        for name in names:
            _change(files, folders, name)
        folders = {path for path in folders if all(each in folders for each in _above(path))}
        there = {path: file for path, file in files.items() if all(each in folders for each in _above(path))}
        return {path: (file.after_cut(rng), file.mode) for path, file in there.items()}, folders


def _change(files: dict[str, File], folders: set[str], name: Name) -> None:
    record = name.record
    if record.kind == "c":
        assert name.file is not None
        files[record.first] = name.file
    elif record.kind == "r":
        if record.first in folders:
            for path in [path for path in (*files, *folders) if path == record.first or path.startswith(f"{record.first}/")]:
                to = record.second + path.removeprefix(record.first)
                if path in folders:
                    folders.remove(path)
                    folders.add(to)
                else:
                    files[to] = files.pop(path)
        elif record.first in files:
            files[record.second] = files.pop(record.first)
    elif record.kind == "u":
        files.pop(record.first, None)
    elif record.kind == "m":
        folders.add(record.first)
    elif record.kind == "d":
        folders.discard(record.first)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _above(path: str) -> Iterator[str]:
    while path := _parent(path):
        yield path


def states(disk: Disk, log: list[Record], cuts: list[int]) -> Iterator[int]:
    """Feed `log` to `disk`; stops at each of `cuts` (records before it, ascending) and says which."""
    at = 0
    for cut in cuts:
        for record in log[at:cut]:
            if record.kind != "M":
                disk.feed(record)
        at = cut
        yield cut
