"""The commands `aoi-daemon bundle make | renew | verify | show` and `aoi-daemon qualify`.

Process: offline. This module is loaded by every command, so it loads nothing itself before it is run.
Exit codes: 0 done, of `qualify`: qualified; 1 refused, a golden verdict does not hold, or the disk is full; 2 the
command line, a file or a folder is wrong; 3 of `qualify`: not shown; 130 interrupted. Nothing half-written is left by
any of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.engine.arguments import add_parsers
from aoi_daemon.engine.exports.arguments import pixels_of, refused
from aoi_daemon.engine.faults import InputError, RefusedError
from aoi_daemon.errors import AoiError
from aoi_daemon.files import put_in_place
from aoi_daemon.files.offline import run_offline

if TYPE_CHECKING:
    from aoi_daemon.engine.bundle.exported import Exported

__all__ = ["add_parsers", "run"]

_MAKE_OPTIONS: Final = (
    "model", "name", "task", "classes", "good_classes", "channels", "pixels", "mean", "std", "is_rgb", "activation",
    "threshold", "first_label", "labels", "calibration", "qualification", "golden", "validation", "out", "precisions",
    "golden_count", "calibration_frames", "stride_px", "least_score", "prune", "int8_sensitivity", "int8_loss", "bits",
    "threads",
)  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Do what one of the commands asks; the exit code."""
    return run_offline(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.command == "qualify":
            return _qualify(arguments)
        return {"make": _make, "renew": _renew, "verify": _verify, "show": _show}[arguments.action](arguments)
    except AoiError as error:
        sys.stderr.write(f"aoi-daemon: {error}\n")
        return 1 if isinstance(error, RefusedError) else 2


def _make(arguments: argparse.Namespace) -> int:
    _need("onnx", "rich")
    from aoi_daemon.engine.bundle.make import make_bundle  # noqa: PLC0415
    from aoi_daemon.engine.bundle.records import Request  # noqa: PLC0415
    from aoi_daemon.engine.precision.sensitivity import Asked  # noqa: PLC0415
    from aoi_daemon.engine.progress import Progress  # noqa: PLC0415
    from aoi_daemon.engine.report.text import summary  # noqa: PLC0415

    if (problem := refused(arguments)) is not None:
        raise InputError(problem)
    if arguments.size and not arguments.target:
        raise InputError("--size goes with --target: the ONNX models take every size that their boards have")
    if arguments.target:
        from aoi_daemon.engine.build.bundle import check_targets  # noqa: PLC0415

        check_targets(arguments.target)
    request = Request(
        model=arguments.model,
        name=arguments.name,
        classes=arguments.classes,
        calibration=arguments.calibration,
        qualification=arguments.qualification,
        golden=arguments.golden,
        validation=arguments.validation or arguments.golden,
        out=arguments.out,
        precisions=arguments.precisions or PRECISIONS,
        must=arguments.precisions is not None,
        threads=arguments.threads,
        golden_count=arguments.golden_count,
        calibration_count=arguments.calibration_frames,
        stride_px=arguments.stride_px,
        least_score=arguments.least_score,
        cache=None if arguments.no_cache else arguments.cache or _cache(),
        command=_command(arguments, "make", _MAKE_OPTIONS),
        bits=arguments.bits,
        prune=arguments.prune is not None,
        int8=Asked(arguments.int8_sensitivity, arguments.int8_loss, 60.0 * arguments.int8_minutes),
        exported=_exported(arguments),
        labels=arguments.labels,
        named=bool(arguments.classes),
    )
    with Progress() as progress:
        report = make_bundle(request, progress)
    sys.stdout.write(f"{summary(report)}\n{arguments.out}: made; read {arguments.out / 'report.html'}\n")
    return _build_engines(arguments) if arguments.target else 0


def _exported(arguments: argparse.Namespace) -> Exported | None:
    if arguments.task is None:
        return None
    from aoi_daemon.engine.bundle.exported import Exported  # noqa: PLC0415

    return Exported(
        task=arguments.task, good_classes=arguments.good_classes, channels=arguments.channels,
        pixels=pixels_of(arguments), activation=arguments.activation, threshold=arguments.threshold,
        first_label=arguments.first_label,
    )  # fmt: skip


def _renew(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.bundle.renew import Renewal, renew_bundle  # noqa: PLC0415
    from aoi_daemon.engine.progress import Progress  # noqa: PLC0415
    from aoi_daemon.engine.report.text import summary  # noqa: PLC0415

    order = Renewal(
        bundle=arguments.bundle, qualification=arguments.qualification, out=arguments.out,
        precisions=arguments.precisions, threads=arguments.threads, bits=arguments.bits, labels=arguments.labels,
        command=_command(arguments, "renew", ("qualification", "labels", "precisions", "bits", "threads")),
    )  # fmt: skip
    with Progress() as progress:
        report = renew_bundle(order, progress)
    sys.stdout.write(f"{summary(report)}\n{arguments.out}: made; read {arguments.out / 'report.html'}\n")
    return 0


def _build_engines(arguments: argparse.Namespace) -> int:
    """Engines for a bundle that is made; 1 where one could not be built. The bundle is complete without them."""
    from aoi_daemon.engine.build.bundle import build_for_targets  # noqa: PLC0415
    from aoi_daemon.engine.build.command import described  # noqa: PLC0415
    from aoi_daemon.engine.build.progress import shown  # noqa: PLC0415
    from aoi_daemon.infer.bundle import load_bundle  # noqa: PLC0415

    try:
        with shown() as progress:
            plans, refused = build_for_targets(arguments.out, arguments.target, arguments.size, progress)
    except KeyboardInterrupt:
        sys.stderr.write(f"aoi-daemon: interrupted; {arguments.out} is complete, engines may be missing\n")
        return 130
    for plan in plans:
        sys.stdout.write(f"{described(plan)}\n")
    if "bf16" in load_bundle(arguments.out).manifest.models:
        sys.stdout.write("no engine of bf16: OpenVINO runs that, from the file of fp32; TensorRT has fp16\n")
    for reason in refused:
        sys.stderr.write(f"aoi-daemon: {arguments.out} is complete, but has no engine {reason}\n")
    return 1 if refused else 0


def _verify(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.progress import Progress  # noqa: PLC0415
    from aoi_daemon.engine.qualify.verify import verify_bundle  # noqa: PLC0415

    with Progress() as progress:
        bundle, wrong, skipped = verify_bundle(arguments.bundle, threads=arguments.threads, progress=progress)
    for line in wrong:
        sys.stderr.write(f"{arguments.bundle}: {line}\n")
    for precision, reason in skipped.items():
        sys.stdout.write(f"{arguments.bundle}: {precision} is not run: {reason}\n")
    count, models = len(bundle.manifest.golden), ", ".join(p for p in bundle.manifest.models if p not in skipped)
    if not wrong:
        boxes = "" if bundle.manifest.has_boxes else ", without boxes"
        said = f"{count} golden verdicts hold{boxes} ({models})"
        sys.stdout.write(f"{arguments.bundle}: every file is the manifest's; {said}\n")
    return 1 if wrong else 0


def _show(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.report.text import show  # noqa: PLC0415
    from aoi_daemon.infer.bundle import load_bundle  # noqa: PLC0415

    sys.stdout.write(f"{show(load_bundle(arguments.bundle))}\n")
    return 0


def _qualify(arguments: argparse.Namespace) -> int:
    from aoi_daemon.engine.progress import Progress  # noqa: PLC0415
    from aoi_daemon.engine.qualify.bundle import qualify_bundle  # noqa: PLC0415
    from aoi_daemon.engine.qualify.conclusion import Bounds, State  # noqa: PLC0415
    from aoi_daemon.engine.report.html import page  # noqa: PLC0415
    from aoi_daemon.engine.report.report import as_json  # noqa: PLC0415
    from aoi_daemon.engine.report.text import summary  # noqa: PLC0415

    for file in (arguments.report, arguments.json):
        if file is not None and not file.absolute().parent.is_dir():
            raise InputError(f"{file}: the folder that it is to lie in does not exist")
    with Progress() as progress:
        report = qualify_bundle(
            arguments.bundle, arguments.boards, recipe_file=arguments.recipe, precisions=arguments.precision or (),
            limit=arguments.limit, threads=arguments.threads, progress=progress, registration=arguments.registration,
            bounds=Bounds(arguments.max_escapes, arguments.max_false_calls), fov=arguments.fov, bits=arguments.bits,
            labels=arguments.labels, view=arguments.view,
        )  # fmt: skip
    if arguments.json is not None:
        _write_whole(arguments.json, json.dumps(as_json(report), indent=1) + "\n")
    if arguments.report is not None:
        _write_whole(arguments.report, page(report))
    sys.stdout.write(f"{summary(report)}\n")
    return 0 if report.state is None else {State.QUALIFIED: 0, State.REFUSED: 1, State.NOT_SHOWN: 3}[report.state]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "aoi-daemon" / "calibration"


def _command(arguments: argparse.Namespace, action: str, options: Sequence[str]) -> str:
    """The command as it goes into the manifest: paths by their last part, defaults left out."""
    words = [f"aoi-daemon bundle {action}"]
    for key in options:
        value = getattr(arguments, key)
        if key == "is_rgb" and value is not None:
            words.append("--rgb" if value else "--bgr")
        elif value is not None and value != ():
            text = value.absolute().name if isinstance(value, Path) else value
            said = ",".join(map(str, text)) if isinstance(text, tuple) else text
            words.append(f"--{key.replace('_', '-')} {said}")
    return " ".join(words)


def _need(*packages: str) -> None:
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise InputError(f"this needs {', '.join(missing)}: pip install 'aoi-daemon[engine]'")


def _write_whole(file: Path, text: str) -> None:
    """Write beside, then rename: whoever reads it sees the old one or the new one."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        put_in_place(partial, file)
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
