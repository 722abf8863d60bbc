"""Set a camera's nodes, and hold the camera to them.

Process: acquire, while a camera is opened. Blocks: in the camera's control channel. Knows no vendor: the
node map is duck-typed (genicam.genapi's NodeMap), and the exceptions that mean a refusal are passed in.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from typing import Any, Final

from aoi_daemon.config.schema import NodeSetting
from aoi_daemon.errors import CameraSettingError

Value = bool | int | float | str
Refusals = tuple[type[Exception], ...]

# GenApi's interfaces to a node, and what a configuration file may give them. A bool is an int to Python,
# and to genapi too: `Width = true` would be Width = 1.
_TAKES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "IInteger": ((int,), "a whole number"),
    "IFloat": ((int, float), "a number"),
    "IBoolean": ((bool,), "true or false"),
    "IEnumeration": ((str,), "a name"),
    "IString": ((str,), "text"),
    # Assigning to a command does nothing and says nothing, so it is executed.
    "ICommand": ((bool,), "true, to execute it"),
}
_WRITABLE: Final = (2, 4)  # GenApi's EAccessMode: WO and RW
_READABLE: Final = (3, 4)  # RO and RW
_COMMAND_S: Final = 10.0
_FLOAT_TOLERANCE: Final = 1e-3
"""A camera rounds a time or a gain to its own steps; where it does not tell them, this much is a rounding."""


def apply(node_map: Any, settings: Sequence[NodeSetting], refusals: Refusals) -> None:
    """Write the settings in their order, each read back before the next.

    Raises:
        CameraSettingError: a node is unknown, refused its value or did not keep it. Names the node, the
            value and what the node takes.
    """
    for setting in settings:
        _apply(node_map, setting.node, setting.value, refusals)


def _apply(node_map: Any, name: str, value: Value, refusals: Refusals) -> None:
    if not node_map.has_node(name):
        near = difflib.get_close_matches(name, dir(node_map), n=3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise CameraSettingError(f"{name} = {value!r}: this camera has no such node{hint}")
    node = node_map.get_node(name)
    kind = type(node).__name__
    if kind not in _TAKES:
        raise CameraSettingError(f"{name} = {value!r}: the node is no setting but an {kind}")
    types, wanted = _TAKES[kind]
    refused = not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
    if refused or (kind == "ICommand" and value is not True):
        raise CameraSettingError(f"{name} = {value!r}: the node takes {wanted}{_range(node, kind, refusals)}")
    try:
        mode = node.node.get_access_mode()
        if mode not in _WRITABLE:
            state = "read-only" if mode in _READABLE else "not available"
            raise CameraSettingError(f"{name} = {value!r}: the node is {state} now")
        if kind == "ICommand":
            _execute(name, node)
            return
        node.set_value(value)
        kept = node.get_value(False, True) if mode in _READABLE else value  # verify, ignore_cache
    except refusals as error:
        raise CameraSettingError(f"{name} = {value!r}: refused{_range(node, kind, refusals)}: {error}") from error
    if not _same(node, kind, value, kept, refusals):
        raise CameraSettingError(f"{name} = {value!r}: the camera made {kept!r} of it{_range(node, kind, refusals)}")


def _execute(name: str, node: Any) -> None:
    node.execute()
    until_s = time.monotonic() + _COMMAND_S
    while not node.is_done():
        if time.monotonic() > until_s:
            raise CameraSettingError(f"{name}: the command was not done after {_COMMAND_S:g} s")
        time.sleep(0.01)


def _same(node: Any, kind: str, value: Value, kept: Any, refusals: Refusals) -> bool:
    if kind != "IFloat":
        return bool(kept == value)
    try:
        step = node.inc
    except refusals:  # a node without steps
        step = 0.0
    return bool(abs(kept - float(value)) <= max(step, _FLOAT_TOLERANCE * abs(float(value))))


def _range(node: Any, kind: str, refusals: Refusals) -> str:
    """What the node takes, as the end of a sentence; empty where it does not tell."""
    try:
        if kind in {"IInteger", "IFloat"}:
            return f", {node.min:g} to {node.max:g} {node.unit}".rstrip()
        if kind == "IEnumeration":
            return f", one of {', '.join(node.symbolics)}"
    except refusals:
        return ""
    return ""
