"""What a person must still say of an exported model, found by adapting it in memory with that and without.

Process: offline. Blocks in reading the file. Needs the extra `engine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.tasks import ModelOutput
from aoi_daemon.engine.exports.adapt import adapt
from aoi_daemon.engine.exports.described import Described
from aoi_daemon.engine.precision.wrap import UNIT
from aoi_daemon.errors import ModelError

_MANY: Final = 2
"""Classes that stand in where the file does not show how many there are."""


@dataclass(frozen=True)
class Need:
    """One option of `bundle make` that the file does not answer.

    Attributes:
        option: of the command line.
        value: what to put there, in capitals.
        why: what of the file leaves it open.
    """

    option: str
    value: str
    why: str


@dataclass(frozen=True)
class Fit:
    """That a model can be taken.

    Attributes:
        output: of the bundle; classes and good ones may stand in for those that are still to be named.
        needs: what must be said first.
        notes: what a person should know of what is done to it.
    """

    output: ModelOutput
    needs: tuple[Need, ...]
    notes: tuple[str, ...]


def fit(described: Described, file: Path, classes: tuple[str, ...] = ()) -> Fit:
    """Adapt the model in memory, with what is missing put in, and see what was.

    Args:
        described: what `recognise` found in it.
        file: the exported model.
        classes: as a person names them; (): as the file does.

    Raises:
        ModelError: it cannot be taken, whatever is said.
    """
    said: dict[str, Any] = {"classes": classes}
    needs: list[Need] = []
    if not (classes or described.classes):
        said["classes"] = _standing_in(described)
        needs.append(Need("--classes", _list(described), "names no classes"))
    if described.pixels is None:
        said["pixels"] = UNIT
        needs.append(Need("--pixels", "PIXELS", "does not say what it wants in place of 0 to 255"))
    try:
        adapted = adapt(described, file, channels=described.channels, **said)
    except ModelError:
        asked = _asked(described, said["classes"] or described.classes)
        if asked is None:
            raise
        option, need = asked
        adapted = adapt(described, file, channels=described.channels, **said, **option)
        needs.append(need)
    return Fit(adapted.output, tuple(needs), adapted.notes)


def fit_own(described: Described, classes: tuple[str, ...]) -> Fit:
    """A detector of this program: nothing is done to it, and its file names no classes."""
    needs = () if classes else (Need("--classes", "LIST", "names no classes"),)
    return Fit(ModelOutput(task="top100", classes=classes or _standing_in(described)), needs, ())


def _asked(described: Described, classes: tuple[str, ...]) -> tuple[dict[str, Any], Need] | None:
    """What `adapt` may ask for of this family, a value that stands in, and how to say it; None: nothing."""
    if described.family in ("classify", "segment"):
        need = Need("--good-classes", "LIST", "does not say which of its classes are no defect")
        return {"good_classes": classes[:1]}, need
    if described.family == "torchvision-detect":
        why = "does not say whether its labels begin at 0, or behind a background at 1"
        return {"first_label": 1}, Need("--first-label", "FIRST", why)
    if described.family == "anomaly":
        return {"threshold": 1.0}, Need("--threshold", "N", "does not say from which value on a part is bad")
    if described.family == "rtdetr" and described.activation == "none":
        need = Need("--activation", "ACTIVATION", "does not say whether its logits need a sigmoid or a softmax")
        return {"activation": "sigmoid"}, need
    return None


def _standing_in(described: Described) -> tuple[str, ...]:
    count = described.count or _MANY
    if described.kind == "classify" and count == 1:
        count = 2  # one number tells two classes apart
    return tuple(f"class-{number}" for number in range(count))


def _list(described: Described) -> str:
    if described.count is None:
        return "LIST"
    return f"LIST-OF-{len(_standing_in(described))}"
