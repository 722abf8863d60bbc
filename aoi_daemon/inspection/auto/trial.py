"""One candidate tried, in a process that may crash or hang without taking inspection with it.

Process: a child of inspection, or of a command, one for each candidate; it ends with the answer, and with its parent.
Blocks: in the executor. The order comes on standard input; each step, and at last the figure, is a line of JSON on the
descriptor that the command line names, so that its parent knows how far it has come.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.section import FilePath, Section
from aoi_daemon.errors import AoiError
from aoi_daemon.golden.manifest import Golden, Part, folder_of, read_golden
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.executor import NO_DEADLINE, Executor, FrameShape, warm_up
from aoi_daemon.infer.open import open_fitted
from aoi_daemon.inspection.backend import check_golden, least_joined
from aoi_daemon.inspection.gauge import Gauge
from aoi_daemon.inspection.prove import product_of, prove
from aoi_daemon.stage.stage import now_ns

MOST_PARTS: Final = 16
"""Of the product: the rest is judged by the executor that is opened at last, which all of them are held with."""
_GAP_S: Final = 0.005
_BLOCKS: Final = 3
_LEAST_RUNS: Final = 3 * _BLOCKS
FEW: Final = 5
_HOPELESS: Final = 1.5
_PR_SET_PDEATHSIG: Final = 1


class Order(Section):
    """What is to be tried. `section` names back end and precision."""

    do: str = "trial"
    section: InspectionSection = InspectionSection()
    recipe: Recipe | None = None
    config_file: FilePath = Path()
    product: str = ""
    view: str = Field("", description="Which golden parts show what is tried; none: all.")
    fov: int = 0
    alone: bool = True
    measure_s: float = Field(1.0, ge=0, le=60)
    views: tuple[Order, ...] = Field((), description="`lane`: what it judges, one after the other.")
    sides: tuple[tuple[Order, ...], ...] = Field((), description="`lanes`: the views of each.")
    best_ms: float | None = Field(None, description="The quickest so far: what is far behind it is tried no further.")


class Picture(NamedTuple):
    """What is inferred: (H, W, C) uint8 each."""

    image: NDArray[np.uint8]
    template: NDArray[np.uint8] | None


def main(answer_fd: int) -> None:
    """Do what standard input says; answers on `answer_fd`."""
    _end_with(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(**said: Any) -> None:
        os.write(answer_fd, json.dumps(said).encode() + b"\n")

    try:
        say(step="opening")
        order = Order.model_validate_json(sys.stdin.buffer.read())
        if order.do == "lane":
            _side().serve(order, answer_fd, say)
        elif order.do == "lanes":
            say(step="measuring the lanes")
            say(**_side().tried(order))
        else:
            say(**(_devices() if order.do == "devices" else _tried(order, lambda step: say(step=step))))
    except (AoiError, OSError, ImportError, RuntimeError, ValueError, MemoryError) as error:
        say(why=str(error) or type(error).__name__)


def _end_with(parent: int) -> None:
    """A child that outlives its parent would load a core that a line needs."""
    with suppress(OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _side() -> Any:
    from aoi_daemon.inspection.auto import side  # noqa: PLC0415  which is made of the pieces here

    return side


def _devices() -> dict[str, Any]:
    from aoi_daemon.infer.openvino.devices import devices  # noqa: PLC0415

    return {"devices": devices()}


def _tried(order: Order, step: Callable[[str], None]) -> dict[str, Any]:
    """Open, warm up, hold golden parts, measure.

    Raises:
        AoiError: it does not open, or fails.
    """
    with opened(order) as (executor, bundle, recipe):
        step("warming up")
        first_ms = [took_ns / 1e6 for took_ns in warm_up(executor, recipe.shape, runs=FEW)]
        if order.best_ms is not None and min(first_ms) > _HOPELESS * order.best_ms:
            return {"p95_ms": tail_ms(first_ms), "why": "far behind, its golden parts were not judged"}
        step("judging the bundle's golden parts")
        if wrong := check_golden(executor, bundle, recipe, lambda: None):
            return {"why": f"golden parts do not hold: {', '.join(wrong)}"}
        step("judging the product's golden parts")
        golden = _some(golden_of(order))
        with Gauge(recipe, executor, bundle) as gauge:
            if wrong_parts := product_of(prove(gauge, golden, lambda: None)).wrong:
                return {"why": f"the product's golden parts do not hold: {'; '.join(wrong_parts)}"}
        step("measuring")
        judge = in_turns(executor, pictures(bundle, golden, recipe.shape))
        return {"p95_ms": tail_ms(measured(judge, order.measure_s))}


@contextmanager
def opened(order: Order) -> Iterator[tuple[Executor, Bundle, Recipe]]:
    """The executor that `order` names, its bundle and the recipe.

    Raises:
        AoiError: it does not open.
    """
    import cv2  # noqa: PLC0415

    cv2.setNumThreads(1)  # as inspection does
    recipe = order.recipe
    if recipe is None:
        raise ValueError("the order has no recipe")
    bundle = load_bundle(recipe.bundle)
    least = least_joined(bundle, recipe)
    with open_fitted(bundle, order.section, recipe.shape, recipe.fit, least_score=least, golden=True) as executor:
        yield executor, bundle, recipe


def golden_of(order: Order) -> Golden:
    """The golden parts of the product, of the view that `order` names."""
    golden = read_golden(folder_of(order.config_file, order.product))
    return golden.of_view(order.view, order.fov, alone=order.alone) if order.view else golden


def _some(golden: Golden) -> Golden:
    """The first good and bad ones by turns: at most MOST_PARTS, some of each where there are."""
    kinds = [[part for part in golden.parts if part.passed is passed] for passed in (True, False)]
    turns: list[Part] = [part for pair in itertools.zip_longest(*kinds) for part in pair if part is not None]
    return Golden(golden.folder, tuple(turns[:MOST_PARTS]), golden.hash)


def pictures(bundle: Bundle, golden: Golden, shape: FrameShape) -> list[Picture]:
    """Golden parts of the frame's size; where there is none, the bundle's, repeated to that size."""
    found = [Picture(part.image, part.template) for part in bundle.golden() if part.image.shape == shape]
    channels: Any = shape[2]
    for part in golden.parts:
        picture = Picture(*golden.picture(part, channels))
        if picture.image.shape == shape and (picture.template is not None or not bundle.manifest.has_template):
            found.append(picture)
    if found:
        return found
    tiled = [Picture(_fit(part.image, shape), _fit(part.template, shape)) for part in bundle.golden()]
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return tiled or [Picture(noise, noise if bundle.manifest.has_template else None)]


def _fit(image: NDArray[np.uint8] | None, shape: FrameShape) -> Any:
    """`image` repeated over a frame of `shape`."""
    if image is None:
        return None
    tiles = (-(-shape[0] // image.shape[0]), -(-shape[1] // image.shape[1]), 1)
    return np.ascontiguousarray(np.tile(image, tiles)[: shape[0], : shape[1]])


def in_turns(executor: Executor, parts: Sequence[Picture]) -> Callable[[], None]:
    """What runs the next of `parts`, at each call."""
    shown = itertools.cycle(parts)

    def judge() -> None:
        part = next(shown)
        executor.infer(part.image, part.template, NO_DEADLINE)

    return judge


def measured(
    judge: Callable[[], None], measure_s: float,
    clock: Callable[[], int] = now_ns, sleep: Callable[[float], object] = time.sleep,
) -> list[float]:  # fmt: skip
    """How long each call of `judge` took, in ms.

    With a gap before each, in which threads go to sleep and other work takes the caches: on the line there is one, and
    flat out the quickest is not the one that wakes up the quickest.
    """
    times_ms: list[float] = []
    until_ns = clock() + int(measure_s * 1e9)
    while True:
        sleep(_GAP_S)
        start_ns = clock()
        judge()
        now = clock()
        times_ms.append((now - start_ns) / 1e6)
        if now >= until_ns and len(times_ms) >= _LEAST_RUNS:
            return times_ms


def tail_ms(times_ms: Sequence[float]) -> float:
    """The 95th percentile: of three blocks in order of time the middle one, so that one disturbance decides nothing."""
    blocks = [block for block in np.array_split(np.asarray(times_ms), _BLOCKS) if len(block)]
    return float(np.median([np.percentile(block, 95, method="lower") for block in blocks]))
