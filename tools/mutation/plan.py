"""What is mutated, how many of it, and which test files may kill it.

Which tests a module has is its place: those of tests/unit under the same path (tests/README.md). `MORE` names what
else may kill it, each with its reason. All of them are candidates; which of their tests a mutant is given is measured
(`reach`). Tests of processes, of the complete line and of the simulation are no candidates, with one exception: they
cost seconds each, and would be waited for by every mutant that lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from tools.mutation.errors import MutationError

_PACKAGE: Final = "aoi_daemon"
_UNIT: Final = "tests/unit"


class Group(NamedTuple):
    """Some files, judged together: every mutant, or a drawn `sample` of them."""

    name: str
    paths: tuple[str, ...]
    sample: int | None = None


GROUPS: Final = (
    Group("plc", ("aoi_daemon/plc",)),
    Group("decide", ("aoi_daemon/decide",)),
    Group("plcmap", ("aoi_daemon/plcmap",)),
    Group("supervisor", ("aoi_daemon/supervisor/changeover.py", "aoi_daemon/supervisor/product.py")),
    Group("ring", ("aoi_daemon/ring",), 120),
    Group("messages", ("aoi_daemon/messages.py",), 120),
    Group("infer", ("aoi_daemon/infer/decode", "aoi_daemon/infer/executor.py"), 120),
    Group("config", ("aoi_daemon/config",), 120),
    Group("acquire", ("aoi_daemon/acquire/stamps.py", "aoi_daemon/acquire/buffers.py"), 120),
    Group("recorder", ("aoi_daemon/recorder/session.py",), 120),
)

MORE: Final[Mapping[str, tuple[str, ...]]] = {
    # The supervisor's side of the board's cells that plc writes; a real Modbus server; rules drawn at random.
    "aoi_daemon/plc": (
        "tests/unit/supervisor/test_plc_says.py", "tests/unit/supervisor/test_watchdog.py",
        "tests/processes/test_plc_client.py", "tests/properties/test_confirm.py",
        "tests/properties/test_doorbells.py", "tests/properties/test_noisy_plc.py",
    ),
    # The rules of judging drawn at random; alarms as the service manager hears of them.
    "aoi_daemon/decide": (
        "tests/unit/supervisor/test_notices.py", "tests/properties/test_decide.py", "tests/properties/test_boxes.py",
    ),
    # A map is right when the PLC's side of it understands what the daemon writes; the documents print it.
    "aoi_daemon/plcmap": (
        "tests/unit/plc/test_wire.py", "tests/unit/kit/simulator", "tests/properties/test_plc_program.py",
        "tests/architecture/test_documents.py",
    ),
    # What plc waits for, and doorbells rung in every order.
    "aoi_daemon/ring": ("tests/unit/plc/test_upkeep.py", "tests/properties/test_doorbells.py"),
    # Whoever packs and unpacks them.
    "aoi_daemon/messages.py": ("tests/unit/ring", "tests/unit/records", "tests/unit/decide"),
    # A section is tested beside what it configures; the documents print each field.
    "aoi_daemon/config": (
        "tests/unit/preflight/test_check_config.py", "tests/unit/files/test_text.py",
        "tests/unit/plcmap/test_plc_address.py", "tests/unit/recorder/test_section.py",
        "tests/unit/hmi/access/test_hmi_section.py", "tests/unit/publisher/test_publisher_config.py",
        "tests/unit/notifier/test_notices_config.py", "tests/properties/test_hosts.py",
        "tests/properties/test_boxes.py", "tests/properties/test_toml_lines.py", "tests/architecture/test_documents.py",
    ),
    # Numbers of frames, drawn at random.
    "aoi_daemon/acquire": ("tests/properties/test_frame_ids.py",),
}  # fmt: skip
"""What else than its own tests may kill a module's mutants."""


def mirror(module: str) -> str:
    """The test module of `module`, both relative to the repository: it need not be there."""
    path = PurePosixPath(module)
    return f"{_UNIT}/{path.relative_to(_PACKAGE).with_name(f'test_{path.name}')}"


def candidates(root: Path, paths: Iterable[str]) -> list[str]:
    """The test files that may kill mutants of `paths`: the folder that mirrors each module's, and `MORE`.

    Of a module that lies in no package, its own test module, or a folder of its name.
    """
    wanted: dict[str, None] = {}
    for file in files_of(root, paths):
        if not file.startswith(f"{_PACKAGE}/"):
            # What has no place in the package has its tests by its name.
            wanted[f"{_UNIT}/test_{PurePosixPath(file).name}"] = None
            continue
        own = PurePosixPath(mirror(file))
        at_top = own.parent.as_posix() == _UNIT
        wanted[(own if at_top else own.parent).as_posix()] = None
        wanted[own.with_name(own.stem.removeprefix("test_")).as_posix()] = None
        for place, more in MORE.items():
            if file == place or file.startswith(f"{place}/"):
                wanted.update(dict.fromkeys(more))
    found = files_of(root, wanted, "test_*.py")
    return [file for file in found if PurePosixPath(file).name.startswith("test_")]


def files_of(root: Path, paths: Iterable[str], name: str = "*.py") -> list[str]:
    """The files that `paths` (files, folders, patterns) mean, relative to `root`, each once."""
    found: dict[str, None] = {}
    for path in paths:
        for match in sorted(root.glob(path)) or [root / path]:
            inside = sorted(match.rglob(name)) if match.is_dir() else [match] if match.exists() else []
            found.update((each.relative_to(root).as_posix(), None) for each in inside)
    return list(found)


def groups_for(root: Path, asked: Sequence[str], sample: int | None) -> list[Group]:
    """What the command line means: names of groups, or paths; nothing is all groups. `sample` is drawn of each.

    Raises:
        MutationError: a path with no module in it.
    """
    chosen = [_group(root, each) for each in asked] or list(GROUPS)
    return [group if sample is None else group._replace(sample=sample) for group in chosen]


def _group(root: Path, asked: str) -> Group:
    for group in GROUPS:
        if asked == group.name:
            return group
    given = Path(asked)
    path = given.resolve().relative_to(root).as_posix() if given.is_absolute() else asked.rstrip("/")
    if not any(file.endswith(".py") for file in files_of(root, (path,))):
        names = ", ".join(group.name for group in GROUPS)
        raise MutationError(f"{asked}: no Python file there, and no group of that name (there are: {names})")
    return Group(path, (path,))
