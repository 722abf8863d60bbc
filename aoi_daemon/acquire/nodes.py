"""Set a camera's nodes, and hold the camera to them.

Process: acquire, while a camera is opened. Blocks: in the camera's control channel. Knows no vendor: the
node map is duck-typed (genicam.genapi's NodeMap), and the exceptions that mean a refusal are passed in.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aoi_daemon.config.cameras import NodeSetting
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


class Rounded(NamedTuple):
    """A camera made `got` of `asked`, within the tolerance."""

    node: str
    asked: float
    got: float


def stop(node_map: Any, refusals: Refusals) -> str:
    """Stop a camera that a process which crashed has left streaming: it would refuse its settings.

    Returns:
        why it may be streaming still, "" where nothing says so.
    """
    faults: Refusals = (*refusals, CameraSettingError)
    told = []
    for name, act in (("AcquisitionStop", _execute), ("TLParamsLocked", _unlock)):
        try:
            if node_map.has_node(name) and (node := node_map.get_node(name)).node.get_access_mode() in _WRITABLE:
                act(name, node)
        except faults as error:
            told.append(f"{name}: {error}")
    return "; ".join(told)


def _unlock(_name: str, node: Any) -> None:
    node.set_value(0)


def apply(node_map: Any, settings: Sequence[NodeSetting], refusals: Refusals) -> list[Rounded]:
    """Write the settings in their order, each read back before the next; those that the camera rounded.

    Raises:
        CameraSettingError: a node is unknown, refused its value or did not keep it. Names the node, the
            value and what the node takes.
    """
    return [found for setting in settings if (found := _apply(node_map, setting, refusals)) is not None]


def _apply(node_map: Any, setting: NodeSetting, refusals: Refusals) -> Rounded | None:
    name, value = setting.node, setting.value
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
            raise CameraSettingError(f"{name} = {value!r}: the node is {state} now{_streams(node_map, refusals)}")
        if kind == "ICommand":
            _execute(name, node)
            return None
        node.set_value(value)
        kept = node.get_value(False, True) if mode in _READABLE else value  # verify, ignore_cache
    except refusals as error:
        why = f"{_range(node, kind, refusals)}: {error}{_streams(node_map, refusals)}"
        raise CameraSettingError(f"{name} = {value!r}: refused{why}") from error
    if kept == value:
        return None
    most = _tolerance(node, kind, setting, refusals)
    within = bool(most) and abs(float(kept) - float(value)) <= most  # a NaN is not
    if not within:
        said = f", more than {most:g} off (tolerance_percent = {setting.tolerance_percent:g})" if most else ""
        raise CameraSettingError(
            f"{name} = {value!r}: the camera made {kept!r} of it{said}{_range(node, kind, refusals)}"
        )
    return Rounded(name, float(value), float(kept))


def _execute(name: str, node: Any) -> None:
    node.execute()
    until_s = time.monotonic() + _COMMAND_S
    while not node.is_done():
        if time.monotonic() > until_s:
            raise CameraSettingError(f"{name}: the command was not done after {_COMMAND_S:g} s")
        time.sleep(0.01)


def _tolerance(node: Any, kind: str, setting: NodeSetting, refusals: Refusals) -> float:
    """How far what the camera kept may be from what was asked; 0: not at all."""
    if kind != "IFloat":
        return 0.0
    share = setting.tolerance_percent / 100 * abs(float(setting.value))
    return max(_step(node, refusals), share)


def _step(node: Any, refusals: Refusals) -> float:
    without_steps: Refusals = (*refusals, AttributeError, TypeError)
    try:
        return float(node.inc or 0)
    except without_steps:
        return 0.0


def _streams(node_map: Any, refusals: Refusals) -> str:
    """What to do where it is the streaming camera that refuses, as the end of a sentence."""
    untold: Refusals = (*refusals, AttributeError)
    try:
        locked = node_map.has_node("TLParamsLocked") and node_map.get_node("TLParamsLocked").get_value(False, True)
    except untold:
        return ""
    return " (the camera is streaming and could not be stopped: switch it off and on)" if locked else ""


def _range(node: Any, kind: str, refusals: Refusals) -> str:
    """What the node takes, as the end of a sentence; empty where it does not tell."""
    try:
        if kind in {"IInteger", "IFloat"}:
            step = _step(node, refusals)
            steps = f" in steps of {step:g}" if step > (1 if kind == "IInteger" else 0) else ""
            return f", {node.min:g} to {node.max:g} {node.unit}".rstrip() + steps
        if kind == "IEnumeration":
            return f", one of {', '.join(node.symbolics)}"
    except refusals:
        return ""
    return ""
