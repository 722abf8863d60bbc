"""Our side: the product's executor and judgement, a child of `tools/bench_ultralytics`; see tools/backends/turns.py.

A case is `bundle`, `inspection`, `pictures`, `conf`, `iou`; an order `{"picture": i}` is answered as theirs.py does.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.decide.judge import Criteria, judge
from aoi_daemon.errors import AoiError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.open import open_executor
from tools.against.theirs import watch
from tools.backends.turns import say, serve
from tools.gpu.realtime import settle

_DEADLINE_NS: Final = 10_000_000_000
"""Armed as on the line, and never met, be the machine as busy as it may."""
_WARM_UP_RUNS: Final = 20


def recipe_of(size_px: int, conf: float, iou: float) -> Recipe:
    """Every class counts from `conf` on; boxes of one class that overlap by more than `iou` are one."""
    return Recipe(
        id=1, name="bench", bundle=Path("bundle"), width_px=size_px, height_px=size_px, channels=3, overlap=iou,
        limits=(ClassLimit(name="*", score=conf),),
    )  # fmt: skip


def main() -> int:
    """Open what the case says, and serve."""
    case: dict[str, Any] = json.loads(sys.argv[1])
    spent: list[int] = []
    watch(spent)
    try:
        bundle = load_bundle(Path(case["bundle"]))
        pictures = list(np.load(case["pictures"]))
        recipe = recipe_of(pictures[0].shape[0], case["conf"], case["iou"])
        criteria = Criteria.compile(recipe, bundle.manifest.classes)
        with open_executor(bundle, InspectionSection(**case["inspection"]), pictures[0].shape) as executor:
            executor.decoder = decoder_for(bundle.manifest, recipe)

            def part(order: dict[str, Any]) -> dict[str, Any]:
                picture = pictures[order["picture"]]
                spent.clear()
                start_ns = time.monotonic_ns()
                deadline_ns = start_ns + _DEADLINE_NS
                found = executor.infer(picture, None, deadline_ns)
                verdict = judge(found, criteria, 0, slack_ns=deadline_ns - time.monotonic_ns())
                took_ns = time.monotonic_ns() - start_ns
                return {"ns": took_ns, "model_ns": sum(spent) if spent else None, "boxes": verdict.defect_count}

            for number in range(_WARM_UP_RUNS):
                part({"picture": number % len(pictures)})
            settle()
            serve({"name": executor.name}, part)
    except (AoiError, ImportError, ValueError) as error:
        say({"refused": str(error)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
