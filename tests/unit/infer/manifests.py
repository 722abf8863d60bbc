"""Manifests of any task, without files."""

from aoi_daemon.config.recipe import Manifest, Model


def manifest_of(task="top100", classes=("d",), **settings):
    """A manifest of `task`; keywords are its other keys."""
    keys = {"name": "t", "has_template": False, "models": {"fp32": Model(file="model.onnx", sha256="0" * 64)}}
    return Manifest(**{**keys, "task": task, "classes": classes, **settings})
