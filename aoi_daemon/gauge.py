"""One product as the line judges it, for a command: recipe, bundle, templates, registration, model.

Process: offline (`replay`, `qualify`, `golden`). Blocks: in the executor. What it is given takes the line's own
way (`look`); only its deadline is not the line's: there is none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Executor
from aoi_daemon.infer.registration import Registrar
from aoi_daemon.look import Seen, look, read_templates
from aoi_daemon.stage import now_ns


class Gauge:
    """What one product is looked at with; see `look.Looker`. `with` closes the engine."""

    def __init__(self, recipe: Recipe, section: InspectionSection) -> None:
        """Open everything. Raises ModelError or ValueError where recipe and bundle do not fit."""
        self.recipe = recipe
        self.bundle = load_bundle(recipe.bundle)
        self.criteria = Criteria.compile(recipe, self.bundle.manifest.classes)
        self.templates = read_templates(recipe)
        self.registrar = None if recipe.registration is None else Registrar(recipe, self.templates)
        self.executor = _open_executor(self.bundle, recipe, section)
        self.executor.decoder = decoder_for(self.bundle.manifest, recipe)

    def see(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, fov: int) -> Seen:
        """Judge one view.

        Args:
            image: (H, W, channels) uint8.
            template: its own, as `image`; None: the recipe's of `fov`.
            fov: the field of view.

        Raises:
            InferenceError: the engine failed.
        """
        return look(self, image, template, fov=fov, deadline_ns=NO_DEADLINE, picked_ns=now_ns(), clock=now_ns)

    def __enter__(self) -> Gauge:
        return self

    def __exit__(self, *exc: object) -> None:
        self.executor.close()


def _open_executor(bundle: Bundle, recipe: Recipe, section: InspectionSection) -> Executor:
    if section.backend == "tensorrt":
        from aoi_daemon.infer.trt_open import open_executor  # noqa: PLC0415

        return open_executor(
            bundle, section.precision, [(recipe.height_px, recipe.width_px, recipe.channels)],
            device=section.device, wait=section.wait, cuda_graph=section.cuda_graph,
        )  # fmt: skip
    from aoi_daemon.infer.onnx import OnnxExecutor  # noqa: PLC0415

    return OnnxExecutor(bundle.model_path(section.precision), bundle.manifest, threads=section.threads)
