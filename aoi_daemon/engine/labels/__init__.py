"""Labelled parts on disk: a module for each layout that people keep labels in, and what they are read into.

Process: offline. Needs numpy, OpenCV and Pillow alone, so that training on a machine without this program's
other packages can use it too. What is wrong is refused with file, line or key, and what to do about it.
"""

from aoi_daemon.engine.labels.deeppcb import CLASS_NAMES, read_label, read_pairs
from aoi_daemon.engine.labels.formats import FORMATS, Asked, read_labelled
from aoi_daemon.engine.labels.part import BoardsError, Pair, image_size, read_image

__all__ = [
    "CLASS_NAMES",
    "FORMATS",
    "Asked",
    "BoardsError",
    "Pair",
    "image_size",
    "read_image",
    "read_label",
    "read_labelled",
    "read_pairs",
]
