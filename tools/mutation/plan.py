"""What is mutated, how many of it, and which test files may kill it: the one table.

`tests` are the candidates; which of their tests a mutant is given is measured (`reach`). Tests of processes, of the
complete line and of the simulation are no candidates: they cost seconds each, and would be waited for by every mutant
that lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tools.mutation.errors import MutationError

_RULES: Final = ("tests/properties/test_decide.py", "tests/properties/test_boxes.py")
_PLC: Final = (
    "tests/unit/plc",
    "tests/unit/supervisor/test_plc_says.py",
    "tests/unit/supervisor/test_watchdog.py",
    "tests/processes/test_plc_client.py",
    "tests/properties/test_confirm.py",
    "tests/properties/test_doorbells.py",
    "tests/properties/test_noisy_plc.py",
)


class Group(NamedTuple):
    """Some files, judged together: every mutant, or a drawn `sample` of them."""

    name: str
    paths: tuple[str, ...]
    tests: tuple[str, ...]
    sample: int | None = None


GROUPS: Final = (
    Group("plc", ("aoi_daemon/plc",), _PLC),
    Group("decide", ("aoi_daemon/decide",), ("tests/unit/decide", "tests/unit/supervisor/test_notices.py", *_RULES)),
    Group(
        "plcmap",
        ("aoi_daemon/plcmap",),
        (
            "tests/unit/plcmap",
            "tests/unit/plc/test_wire.py",
            "tests/unit/plcmap/test_program_command.py",
            "tests/unit/kit/simulator",
            "tests/properties/test_plc_program.py",
            "tests/architecture",
        ),
    ),
    Group(
        "supervisor",
        ("aoi_daemon/supervisor/changeover.py", "aoi_daemon/supervisor/product.py"),
        (
            "tests/unit/supervisor",
            "tests/unit/supervisor/test_product.py",
            "tests/unit/stage/test_control.py",
            "tests/unit/supervisor/test_checking.py",
            "tests/unit/supervisor/test_proofs.py",
            "tests/unit/supervisor/test_watchdog.py",
        ),
    ),
    Group(
        "ring",
        ("aoi_daemon/ring",),
        ("tests/unit/ring", "tests/unit/plc/test_turns.py", "tests/properties/test_doorbells.py"),
        120,
    ),
    Group(
        "messages",
        ("aoi_daemon/messages.py",),
        ("tests/unit/test_messages.py", "tests/unit/ring", "tests/unit/records", "tests/unit/decide"),
        120,
    ),
    Group(
        "infer",
        ("aoi_daemon/infer/decode", "aoi_daemon/infer/executor.py"),
        (
            "tests/unit/infer/decode",
            "tests/unit/infer/test_executor.py",
            "tests/unit/infer/test_wrong_layouts.py",
        ),
        120,
    ),
    Group(
        "config",
        ("aoi_daemon/config",),
        (
            "tests/unit/config",
            "tests/unit/preflight/test_check_config.py",
            "tests/unit/config/test_changes.py",
            "tests/unit/files/test_text.py",
            "tests/unit/plcmap/test_plc_address.py",
            "tests/unit/recorder/test_section.py",
            "tests/unit/hmi/access/test_hmi_section.py",
            "tests/unit/publisher/test_publisher_config.py",
            "tests/unit/notifier/test_notices_config.py",
            "tests/properties/test_hosts.py",
            "tests/properties/test_boxes.py",
            "tests/properties/test_toml_lines.py",
            "tests/architecture/test_readme.py",
        ),
        120,
    ),
    Group(
        "acquire",
        ("aoi_daemon/acquire/stamps.py", "aoi_daemon/acquire/buffers.py"),
        ("tests/unit/acquire/test_[bclnps]*.py", "tests/properties/test_frame_ids.py"),
        120,
    ),
    Group(
        "recorder",
        ("aoi_daemon/recorder/session.py",),
        ("tests/unit/recorder",),
        120,
    ),
)


def files_of(root: Path, paths: Iterable[str], name: str = "*.py") -> list[str]:
    """The files that `paths` (files, folders, patterns) mean, relative to `root`, each once."""
    found: dict[str, None] = {}
    for path in paths:
        for match in sorted(root.glob(path)) or [root / path]:
            inside = sorted(match.rglob(name)) if match.is_dir() else [match] if match.exists() else []
            found.update((each.relative_to(root).as_posix(), None) for each in inside)
    return list(found)


def groups_for(root: Path, asked: Sequence[str], sample: int | None) -> list[Group]:
    """What the command line means: names of groups, or paths; nothing is all groups.

    A path belongs to the group that holds it, and has that group's tests; one of none has the tests of the folder of
    its name and those beside it. `sample` is drawn of each.

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
    files = [file for file in files_of(root, (path,)) if file.endswith(".py")]
    if not files:
        names = ", ".join(group.name for group in GROUPS)
        raise MutationError(f"{asked}: no Python file there, and no group of that name (there are: {names})")
    for group in GROUPS:
        if set(files) <= set(files_of(root, group.paths)):
            return Group(path, (path,), group.tests)
    parts = Path(files[0]).parts
    name = parts[1] if len(parts) > 2 else Path(files[0]).stem
    return Group(
        path, (path,), (f"tests/unit/{name}", f"tests/unit/{name}_*", f"tests/unit/test_{name}*.py", "tests/properties")
    )
