"""How labelled boards are read for a bundle's model. Pure."""

from __future__ import annotations

from typing import Literal

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.labels import Asked
from aoi_daemon.engine.labels.formats import Format


def asked_for(
    manifest: Manifest, *, layout: Format | None, bits: int | None, named: bool = True,
    need_templates: bool | None = None, need_defects: bool = True,
) -> Asked:  # fmt: skip
    """How labels are read for the manifest's model.

    Args:
        manifest: the bundle's.
        layout: of the labels; None: by what lies in the folder.
        bits: depth of images whose samples have 16 bits; see `pictures`.
        named: whether a person said what the classes are; of a finished bundle one has.
        need_templates: None: where the model takes one.
        need_defects: refuse a folder of good parts alone.
    """
    places: dict[str, Literal["boxes", "any", "frame"]] = {"classify": "frame", "segment": "any", "anomaly": "any"}
    return Asked(
        manifest.classes, manifest.good_classes, layout, bits, named=named, need_defects=need_defects,
        need_templates=manifest.has_template if need_templates is None else need_templates,
        places=places.get(manifest.task, "boxes"),
    )  # fmt: skip
