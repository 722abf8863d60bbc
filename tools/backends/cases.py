"""Which cases there are, and which are refused before anything is opened.

Pure but for `prepared`, which copies bundles.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.infer.bundle import MANIFEST, Bundle, load_bundle

BACKENDS: Final = ("onnx", "openvino", "tensorrt")
SIZES_PX: Final = (320, 640, 1024, 2048)
_PACKAGES: Final = {"onnx": ("onnxruntime",), "openvino": ("openvino",), "tensorrt": ("tensorrt", "tensorrt_rtx")}


class Case(NamedTuple):
    """One line of the table: a back end and precision with frames of one size of one bundle."""

    bundle: str
    """Name of the bundle's folder."""
    task: str
    backend: str
    precision: str
    size_px: int
    """The frame's side; frames are square."""

    def __str__(self) -> str:
        return f"{self.bundle} ({self.task}), {self.size_px} px, {self.backend} {self.precision}"


class Prepared(NamedTuple):
    """A bundle's copy, that may get engines, caches and a bf16 that it does not name."""

    label: str
    bundle: Bundle
    notes: tuple[str, ...]


def prepared(folder: Path, work: Path) -> Prepared:
    """Copy the bundle of `folder` to `work`, a new folder; it then names bf16 where it has fp32.

    Raises:
        ModelError: it is no bundle.
    """
    bundle = load_bundle(folder)
    shutil.copytree(folder, work)
    notes: tuple[str, ...] = ()
    models = bundle.manifest.models
    if "fp32" in models and "bf16" not in models:
        # Only the copy: what it takes to run it is measured here, not whether it may judge parts.
        manifest = json.loads((work / MANIFEST).read_text())
        manifest["models"]["bf16"] = manifest["models"]["fp32"]
        (work / MANIFEST).write_text(json.dumps(manifest))
        notes = (f"bundle {folder.name} does not name bf16: measured from its fp32, not qualified",)
    return Prepared(folder.resolve().name, load_bundle(work), notes)


def every_case(
    bundles: Iterable[Prepared], pairs: Sequence[tuple[str, str]], sizes_px: Sequence[int]
) -> list[Case]:  # fmt: skip
    """All of them, in the order of the table."""
    return [
        Case(each.label, each.bundle.manifest.task, backend, precision, size_px)
        for each in bundles
        for size_px in sizes_px
        for backend, precision in pairs
    ]


def pairs_of(backends: Sequence[str], precisions: Sequence[str]) -> list[tuple[str, str]]:
    """Each back end with each precision, in the order given."""
    return [(backend, precision) for backend in backends for precision in precisions]


def inspection_of(case: Case, **settings: Any) -> dict[str, Any]:
    """The section [inspection] of `case`; of `settings` those that its back end has."""
    mine = {"onnx": ("threads",), "openvino": ("threads", "device"), "tensorrt": ("wait",)}[case.backend]
    more = {key: value for key, value in settings.items() if key in mine and value is not None}
    return {"backend": case.backend, "precision": case.precision, **more}


def refusal(case: Case, bundle: Bundle, inspection: dict[str, Any]) -> str | None:
    """Why `case` cannot be run, as far as that can be known without opening it."""
    if not any(find_spec(package) for package in _PACKAGES[case.backend]):
        return f"{' or '.join(_PACKAGES[case.backend])} is not installed"
    if case.precision not in bundle.manifest.models:
        return f"the bundle has no {case.precision} (there: {', '.join(bundle.manifest.models)})"
    try:
        InspectionSection(**inspection)
    except ValidationError as error:
        return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
    if case.size_px % bundle.manifest.stride_px:
        return f"the bundle needs frames of multiples of {bundle.manifest.stride_px} px"
    return None


def in_random_order(cases: Sequence[Case], rounds: int, seed: int) -> list[tuple[int, Case]]:
    """Each round has every case once, in an order of its own: (round from 0, case)."""
    draw = random.Random(seed)
    order = []
    for number in range(rounds):
        of_round = list(cases)
        draw.shuffle(of_round)
        order += [(number, case) for case in of_round]
    return order
