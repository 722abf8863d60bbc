"""From the class names of labels to those of a model. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from aoi_daemon.engine.labels.part import BoardsError


class Names:
    """A model's classes, by which labels are read."""

    def __init__(self, classes: Sequence[str], good: Sequence[str] = ()) -> None:
        """Take the classes in the model's order; `good`: those of them that are no defect."""
        self.classes = tuple(classes)
        self.good = frozenset(good)
        self.defects = tuple(name for name in classes if name not in self.good)

    def index(self, name: str, where: str) -> int | None:
        """The class of a label; None: it is no defect.

        Raises:
            BoardsError: the model has no such class; `where` names the place.
        """
        if name not in self.classes:
            raise BoardsError(
                f"{where}: class {name!r} is none of the model's ({', '.join(self.classes[:20])}"
                f"{', ...' if len(self.classes) > 20 else ''}): rename it, or say with --classes what the model's "
                "classes are, in its order"
            )
        return None if name in self.good else self.classes.index(name)

    def only(self, where: str) -> int:
        """The one class of defect. Raises BoardsError where the model has several, and `where` does not say which."""
        if len(self.defects) != 1:
            raise BoardsError(
                f"{where}: does not say of which class it is, and the model has {len(self.defects)} "
                f"({', '.join(self.defects[:20])}): put the pictures into folders named after their classes"
            )
        return self.classes.index(self.defects[0])
