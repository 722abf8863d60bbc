"""The deciding modules know the world by their ports alone: no clock, wait, socket or chance of their own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARDED = (
    *sorted((ROOT / "aoi_daemon" / "plc").glob("*.py")),
    *sorted((ROOT / "aoi_daemon" / "decide").glob("*.py")),
    *sorted((ROOT / "aoi_daemon" / "plcmap").glob("*.py")),
    *(
        ROOT / "aoi_daemon" / "supervisor" / f"{name}.py"
        for name in (
            "alarm_watch", "changeover", "chronicle", "conditions", "force_desk", "keeper", "order", "orders", "pair", "plc_says",
            "proofs", "restarts",
        )
    ),
)  # fmt: skip
WORLD = {
    "time", "datetime", "random", "secrets", "uuid", "select", "selectors", "socket", "threading", "asyncio", "signal",
    "subprocess", "multiprocessing", "concurrent", "queue", "sched", "importlib",
}  # fmt: skip
REAL_PORTS = {"MONOTONIC", "DOORBELLS", "Monotonic", "Doorbells", "Tcp"}
OF_THE_SYSTEM = {"read", "write", "urandom", "getrandom", "times", "kill", "fork", "system"}
"""What `os` has of the world."""

EXCEPTIONS = {
    ("plc/wire.py", "select"): "Tcp is the real connection",
    ("plc/wire.py", "socket"): "Tcp is the real connection; Resolver asks the system, before a connection is tried",
    ("plc/wire.py", "threading"): "Resolver: the system's look-up of a name has no time-out; numbers need none",
    ("plc/wire.py", "Tcp"): "where it is, and the default of Wire",
    ("plc/wire.py", "MONOTONIC"): "the default of Wire; plc/main.py says which clock a line has",
    ("plc/client.py", "MONOTONIC"): "the default of PlcClient, for tools that ask a PLC; plc/main.py says which clock a line has",
    ("plc/main.py", "MONOTONIC"): "main() builds the stage with the real ports",
    ("plc/main.py", "DOORBELLS"): "main() builds the stage with the real ports",
    ("plc/main.py", "Tcp"): "main() builds the stage with the real ports",
    ("plc/polling.py", "os.write"): "a reading for acquire, into a pipe that never waits",
    ("supervisor/force_desk.py", "socket"): "the type of a person's connection, which is answered elsewhere",
    ("supervisor/keeper.py", "now_ns"): "await_ends: processes that are told to end are waited for by the machine's clock",
    ("supervisor/keeper.py", "select"): "await_ends: the descriptors of processes that end",
    ("supervisor/keeper.py", "signal"): "the numbers of SIGTERM and SIGKILL",
    ("supervisor/orders.py", "socket"): "the type of a person's connection, which is answered elsewhere",
    ("supervisor/order.py", "socket"): "the type of a person's connection, which is answered elsewhere",
    ("supervisor/changeover.py", "signal"): "the number of SIGKILL",
    ("supervisor/pair.py", "signal"): "the number of SIGKILL",
}


def world_of(source: str) -> set[str]:
    """What of the world `source` names: modules, now_ns of the stage, the real ports, calls of the system."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names} & WORLD
        elif isinstance(node, ast.ImportFrom) and node.module:
            top = node.module.partition(".")[0]
            found |= {top} & WORLD
            found |= {alias.name for alias in node.names} & (REAL_PORTS | {"now_ns"})
        elif isinstance(node, ast.ClassDef):
            found |= {node.name} & REAL_PORTS
        elif isinstance(node, ast.Attribute):
            found |= _by_attribute(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__":
            found.add("__import__")
    return found


def _by_attribute(node: ast.Attribute) -> set[str]:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if owner == "os" and node.attr in OF_THE_SYSTEM:
        return {f"os.{node.attr}"}
    if owner == "stage" and node.attr == "now_ns":
        return {"now_ns"}
    return {node.attr} & (REAL_PORTS | {"default_rng", "random"})


def name_of(file: Path) -> str:
    return file.relative_to(ROOT / "aoi_daemon").as_posix()


@pytest.mark.parametrize("file", GUARDED, ids=name_of)
def test_the_world_comes_through_the_ports(file):
    """Else the simulation would not be asked, and what it says would not be what the line does."""
    allowed = {what for name, what in EXCEPTIONS if name == name_of(file)}
    assert world_of(file.read_text()) - allowed == set()


def test_every_exception_is_needed_and_has_a_reason():
    names = {name_of(file): world_of(file.read_text()) for file in GUARDED}
    idle = [key for key in EXCEPTIONS if key[1] not in names.get(key[0], set())]
    assert idle == []
    assert all(len(reason) > 15 for reason in EXCEPTIONS.values())


@pytest.mark.parametrize(
    "line",
    [
        "import time", "from time import monotonic", "import select", "import random", "from datetime import datetime",
        "from aoi_daemon.stage.stage import Stage, now_ns", "from aoi_daemon.ring.ports import MONOTONIC", "import os, socket",
        "import numpy as np\nnp.random.default_rng()", "import numpy\nnumpy.random.rand()", "import os\nos.read(3, 1)",
        "import os\ndata = os.urandom(4)", "from aoi_daemon.ring import ports\nports.DOORBELLS.select([], 1)",
        "from aoi_daemon import stage\nstage.now_ns()", "import importlib\nimportlib.import_module('time')",
        "from subprocess import run", "from concurrent.futures import ThreadPoolExecutor", "__import__('time').sleep(1)",
        "def f():\n    import time as t\n    return t.time()",
    ],
)  # fmt: skip
def test_the_check_sees(line):
    assert world_of(line)
