"""Bundles of the tasks that the demo bundle is not: `python3 -m tools.gpu.task_bundles --out DIR`.

Networks of `tools/gpu/task_graphs.py` in FP32 and FP16, with a good and a bad golden part each, which hold on ONNX
Runtime with the FP32 file. Nothing is trained: weights are seeded, so each run makes the same bytes.
Exit codes: 0 written; 2 the command line is wrong, or the folder is not empty.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import onnx

from aoi_daemon.config.recipe import GoldenPart, Manifest, Model, Recipe
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.engine.build.arguments import SizePx, parse_size
from aoi_daemon.engine.precision.prepare import convert_fp16, prepare_fp32
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from tools.gpu import task_graphs
from tools.gpu.frames import Image, Pair, boards

STRIDE_PX: Final = 32
_GOLDEN_SEED: Final = 11
_GOLDEN_TRIES: Final = 40
_CLEARLY: Final = 0.25
"""So far from the limit a golden part scores: rounding turns none of them over."""


class Kind(NamedTuple):
    """A bundle that can be made: its graph for frames of (height, width), None: any; and its manifest's own keys."""

    graph: Callable[[tuple[int, int] | None], onnx.ModelProto]
    keys: dict[str, Any]


def _yolo(classes: int) -> Kind:
    names = ("brighter", "darker", *(f"other{number}" for number in range(classes - 2)))
    return Kind(lambda size_px: task_graphs.yolo(classes, size_px), {"task": "yolo", "classes": names})


KINDS: Final[dict[str, Kind]] = {
    "yolo": _yolo(6),
    "yolo80": _yolo(80),
    "classify": Kind(
        task_graphs.classify,
        {"task": "classify", "classes": ("good", "defect"), "good_classes": ("good",), "activation": "softmax"},
    ),
    "segment": Kind(
        task_graphs.segment,
        {"task": "segment", "classes": ("background", "defect"), "good_classes": ("background",)},
    ),
    "anomaly": Kind(
        task_graphs.anomaly, {"task": "anomaly", "classes": ("strange",), "full_score": task_graphs.FULL_SCORE}
    ),
}
"""By name: the tasks, and yolo with as many classes as COCO has, for the size of its heads."""


def make_bundle(folder: Path, kind: str, size: SizePx, *, fixed: bool = False, golden: bool = True) -> Manifest:
    """Write the bundle `kind` into `folder`, made here.

    Args:
        folder: of the bundle.
        kind: one of KINDS.
        size: (width_px, height_px) of the golden parts.
        fixed: the model takes frames of that size alone, as most exports do.
        golden: whether it has golden parts.

    Raises:
        FileExistsError: the folder is there.
        ValueError: no board is clearly good or bad at this size.
    """
    folder.mkdir(parents=True)
    width_px, height_px = size
    graph = KINDS[kind].graph((height_px, width_px) if fixed else None)
    files = {name: folder / f"{name}.onnx" for name in ("fp32", "fp16")}
    files["fp32"].write_bytes(graph.SerializeToString())
    fp32 = prepare_fp32(files["fp32"])
    files["fp32"].write_bytes(fp32.SerializeToString())
    files["fp16"].write_bytes(convert_fp16(fp32).SerializeToString())
    models: dict[Any, Model] = {name: Model(file=file.name, sha256=_sha256(file)) for name, file in files.items()}
    manifest = Manifest(name=kind, has_template=True, stride_px=STRIDE_PX, models=models, **KINDS[kind].keys)
    if golden:
        manifest = manifest.model_copy(update={"golden": tuple(_golden(folder, manifest, size))})
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def recipe_of(manifest: Manifest, folder: Path, width_px: int, height_px: int) -> Recipe:
    """A product that is judged by the bundle's own limits."""
    return Recipe(
        id=1, name=manifest.name, bundle=folder, width_px=width_px, height_px=height_px, channels=manifest.channels,
        limits=manifest.golden_limits,
    )  # fmt: skip


def _golden(folder: Path, manifest: Manifest, size: SizePx) -> list[GoldenPart]:
    """The first board that is clearly good and the first that is clearly bad, as a person labelled it."""
    recipe = recipe_of(manifest, folder, *size)
    criteria = Criteria.compile(recipe, manifest.classes)
    parts: dict[bool, GoldenPart] = {}
    with OnnxExecutor(folder / "fp32.onnx", manifest, threads=2) as executor:
        executor.decoder = decoder_for(manifest, recipe)
        for pair in boards(_GOLDEN_TRIES, *size, manifest.channels, seed=_GOLDEN_SEED, good_fraction=0.5):
            found = executor.infer(pair.image, pair.template, NO_DEADLINE)
            passed = judge(found, criteria, 0, slack_ns=1).passed
            surest = float(found.scores.max(initial=0.0))
            if passed is pair.is_good and abs(surest - 0.5) >= _CLEARLY and passed not in parts:
                parts[passed] = _written(folder, pair)
            if len(parts) == 2:
                return [parts[True], parts[False]]
    raise ValueError(f"{manifest.name}: of {_GOLDEN_TRIES} boards of {size} none is clearly good or clearly bad")


def _written(folder: Path, pair: Pair) -> GoldenPart:
    stem = "good" if pair.is_good else "bad"
    image, template = folder / f"{stem}_test.png", folder / f"{stem}_temp.png"
    for file, pixels in ((image, pair.image), (template, pair.template)):
        _write_png(file, pixels)
    return GoldenPart(
        image=image.name, sha256=_sha256(image), template=template.name, template_sha256=_sha256(template),
        passed=pair.is_good,
    )  # fmt: skip


def _write_png(file: Path, pixels: Image) -> None:
    done, raw = cv2.imencode(".png", pixels)
    if not done:
        raise ValueError(f"{file}: OpenCV cannot encode it")
    file.write_bytes(raw.tobytes())


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="task_bundles", description=__doc__.partition("\n")[0],
        epilog="example:\n  python3 -m tools.gpu.task_bundles --out /tmp/tasks --size 640x640 --kinds segment anomaly",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder of each bundle goes in here")
    parser.add_argument(
        "--size", type=parse_size, default=(640, 640), metavar="WxH", help="of golden parts (default: 640x640)"
    )
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=list(KINDS), help="(default: all)")
    asked = parser.parse_args(arguments)
    for side in asked.size:
        if side % STRIDE_PX:
            parser.error(f"--size: {side} px is no multiple of {STRIDE_PX}")
    for kind in asked.kinds:
        try:
            make_bundle(asked.out / kind, kind, asked.size)
        except OSError as error:
            parser.error(f"{asked.out / kind}: {error.strerror}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
