"""Which back end each precision is judged on, and whether this machine has it.

Process: offline.

fp32, fp16 and int8 are files, and are judged on ONNX Runtime wherever they run later: it computes on every machine, and
that another engine gives the same verdicts is what the golden parts prove there. bf16 is no file: it is what OpenVINO
makes of fp32's on a CPU that has it, so nothing but OpenVINO can say what it is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.qualify.qualify import Board
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import Executor, FrameShape
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.infer.openvino.ahead import not_here


def why_not(precision: str) -> str | None:
    """Why this machine cannot judge `precision`, with the remedy; None: it can."""
    return (not_here("cpu", "bf16") or None) if precision == "bf16" else None


def open_judge(precision: str, file: Path, manifest: Manifest, shape: FrameShape, *, threads: int) -> Executor:
    """The executor that `precision` is judged on.

    Args:
        precision: fp32, bf16, fp16 or int8.
        file: its ONNX file; of bf16 that of fp32.
        manifest: the bundle's.
        shape: of the first frame; others may follow.
        threads: that work on one frame.

    Raises:
        ModelError: this machine cannot run it, or the file is not the manifest's contract.
    """
    if precision != "bf16":
        return OnnxExecutor(file, manifest, threads=threads)
    reason = why_not(precision)
    if reason is not None:
        raise ModelError(reason)
    from aoi_daemon.infer.openvino.executor import OpenVinoExecutor  # noqa: PLC0415

    return OpenVinoExecutor(file, manifest, shape, precision="bf16", threads=threads)


def shape_of(board: Board, manifest: Manifest) -> FrameShape:
    """(height_px, width_px, channels) of a board's frame."""
    return board.pair.height_px, board.pair.width_px, manifest.channels


def asked_here(bundle: Bundle, precisions: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The precisions to conclude of; and those of the bundle that this machine cannot run, and why.

    Raises:
        InputError: one that was named cannot be run here.
    """
    skipped = {}
    for precision in dict.fromkeys(precisions or bundle.manifest.models):
        reason = why_not(precision)
        if reason is not None and precisions:
            raise InputError(f"--precision {precision}: {reason}")
        if reason is not None:
            skipped[precision] = reason
    return tuple(p for p in dict.fromkeys(precisions or bundle.manifest.models) if p not in skipped), skipped
