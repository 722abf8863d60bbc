"""What a device of OpenVINO's is asked for, and why it cannot do it. Pure: what is there is passed in.

A precision is never chosen silently. OpenVINO takes a hint that the device cannot follow and runs something else: asked
for f16, a CPU without it runs bf16; asked for bf16, a CPU without it converts each number to and fro. So the hint is
always set, what the device has is looked at before, and what the compiled model says it runs is compared with it after.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

_HINTS: Final[Mapping[str, str]] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""INFERENCE_PRECISION_HINT by precision; of int8 it is what the layers that are not quantised run in."""
_CAPABILITIES: Final[Mapping[str, str]] = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}
"""OPTIMIZATION_CAPABILITIES by hint."""
_PRECISIONS: Final[Mapping[str, str]] = {"FP32": "fp32", "BF16": "bf16", "FP16": "fp16", "INT8": "int8"}
_NEEDS: Final[Mapping[str, str]] = {
    "CPU": "",
    "GPU": "an Intel GPU needs its driver (packages intel-opencl-icd and libze-intel-gpu1, or the vendor's name for "
    "them) and the daemon's user in the group `render`",
    "NPU": "an Intel NPU needs its driver (linux-npu-driver, kernel 6.6 or later) and the daemon's user in the group "
    "`render`",
}
_FAST_INT8: Final = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})
"""Flags of /proc/cpuinfo: instructions that multiply and add 8-bit numbers, on x86-64 and aarch64."""


def device_problem(name: str, there: Sequence[str]) -> str:
    """Why `name` cannot be opened, with what there is and the remedy; "" where it can.

    Args:
        name: as OpenVINO has it: CPU, GPU, NPU, or GPU.1.
        there: the devices that OpenVINO finds; of several of a kind each with its number.
    """
    kind = name.partition(".")[0]
    alike = [each for each in there if each.partition(".")[0] == kind]
    # Of one alone OpenVINO leaves the number out, and takes it; the CPU has none.
    if name in there or (alike and (name == kind or (name == f"{kind}.0" and kind != "CPU"))):
        return ""
    found = ", ".join(each.lower() for each in there) or "none"
    remedy = f"; {_NEEDS[kind]}" if _NEEDS.get(kind) and not alike else ""
    return (
        f"inspection.device = {name.lower()!r}: OpenVINO finds no such device on this machine (there: {found})"
        f"{remedy}; or name one that is there"
    )


def hint_of(precision: str, capabilities: Collection[str]) -> str:
    """INFERENCE_PRECISION_HINT for `precision`; of int8 the best that the device has for its other layers."""
    if precision == "int8" and "FP32" not in capabilities and "FP16" in capabilities:
        return "f16"
    return _HINTS[precision]


def precision_problem(device: str, precision: str, capabilities: Collection[str]) -> str:
    """Why `device` does not run `precision`, with what it runs instead; "" where it does.

    Args:
        device: as inspection.device names it.
        precision: as inspection.precision names it.
        capabilities: OPTIMIZATION_CAPABILITIES of the device.
    """
    needs = {_CAPABILITIES[hint_of(precision, capabilities)]} | ({"INT8"} if precision == "int8" else set())
    if needs <= set(capabilities):
        return ""
    has = ", ".join(named for each, named in _PRECISIONS.items() if each in capabilities) or "none of ours"
    instead = {
        "bf16": "it would convert every number to and fro, slower than fp32",
        "fp16": "OpenVINO would run it in another precision and say nothing",
    }.get(precision, "OpenVINO would run it in another one")
    return f"inspection.precision = {precision!r}: {device} does not have it ({instead}); it has {has}"


def other_precision(device: str, precision: str, asked: str, runs: str) -> str:
    """Why a compiled model that says it `runs` in one precision is not what was `asked`; "" where it is."""
    if runs == asked:
        return ""
    return (
        f"inspection.precision = {precision!r}: OpenVINO was asked for {asked} and compiled for {runs} on {device}; "
        "name the precision that it runs, after a qualification of it"
    )


def notes_of(device: str, precision: str, hint: str, cpu_flags: Collection[str]) -> list[str]:
    """What a person should know of how `precision` runs on `device`.

    Args:
        device: as OpenVINO has it.
        precision: as inspection.precision names it.
        hint: that the model was compiled with.
        cpu_flags: of /proc/cpuinfo; empty where they are not known.
    """
    if precision != "int8":
        return []
    notes = [f"layers that are not quantised run in {hint}"]
    if device == "CPU" and cpu_flags and not _FAST_INT8 & set(cpu_flags):
        notes.append(
            "this CPU has no instructions for 8-bit products (VNNI, AMX; dot products on ARM): int8 is emulated and "
            "may be slower than fp32, measure both"
        )
    return notes


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The instruction sets that the text of /proc/cpuinfo tells; none where it tells none."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
