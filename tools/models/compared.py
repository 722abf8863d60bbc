"""One row compared: the same tensor into both, the same picture into both, and red for blue, which must be seen."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from aoi_daemon.errors import AoiError
from tools.models import ours
from tools.models.answers import Arrays, Told, read_arrays, read_told
from tools.models.matching import Agreement, Boxes, match_boxes, match_labels, match_maps, match_verdicts
from tools.models.rows import NEEDED, Row

AGREES: Final = "agrees"
BUT_FOR_DUPLICATES: Final = "agrees but for duplicates"
DIFFERS: Final = "DISAGREES"
NOT_SHOWN: Final = "not shown"


@dataclass
class Compared:
    """A row of the table.

    Attributes:
        row, title: whose.
        state: AGREES, BUT_FOR_DUPLICATES, DIFFERS or NOT_SHOWN.
        reason: why it is not shown or differs; or what a person should know.
        tensor: the same tensor; None: not compared.
        picture: from the picture; None: not compared.
        swap_seen: whether red for blue disagreed; None: not tried.
        versions: of the programs.
        threshold: a defect counts from this score on.
        trained: how long, on what.
    """

    row: str
    title: str
    state: str = NOT_SHOWN
    reason: str = ""
    tensor: Agreement | None = None
    picture: Agreement | None = None
    swap_seen: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    threshold: float = 0.0
    trained: str = ""

    def as_json(self) -> dict[str, Any]:
        """For json.dumps."""
        return asdict(self)


def compare_row(row: Row, out: Path) -> Compared:
    """Compare what is in `out`/NAME; never raises for what the row itself is to blame for."""
    found = Compared(row.name, row.title)
    try:
        told = read_told(out / row.name)
    except ValueError as error:  # of another version
        found.reason = str(error)
        return found
    if told is None:
        found.reason = "was not run"
        return found
    found.versions, found.threshold = told.versions, told.threshold
    found.trained = f"{told.train_s:.0f} s, {told.device}, {told.size_px} px"
    if told.failed:
        found.reason = told.failed
        return found
    try:
        with tempfile.TemporaryDirectory(prefix="aoi-models-") as work:
            _compare(row, told, out, Path(work), found)
    except (AoiError, ValueError) as error:
        found.state, found.reason = DIFFERS, f"not taken: {error}"
    finally:
        ours.close_all()
    return found


def _compare(row: Row, told: Told, out: Path, work: Path, found: Compared) -> None:
    bundle, _ = ours.make_bundle(out / row.name / "model.onnx", told, work)
    arrays = read_arrays(out / row.name)
    found.tensor = _same_tensor(row, told, arrays, bundle, arrays["frames"])
    swapped = np.ascontiguousarray(arrays["frames"][..., ::-1])
    found.swap_seen = not _same_tensor(row, told, arrays, bundle, swapped).holds
    files = [out / "boards" / name for name in arrays["files"].tolist()]
    found.picture = match_verdicts(
        arrays["worst"].tolist(), ours.worst_of(bundle, told, files), threshold=told.threshold
    )
    found.state, found.reason = judged(row, told, found)


def _same_tensor(row: Row, told: Told, arrays: Arrays, bundle: Any, frames: Any) -> Agreement:
    if row.kind == "labels":
        return match_labels(arrays["scores"].astype(np.float64), ours.labels_of(bundle, told, frames))
    if row.kind == "maps":
        maps = ours.maps_of(bundle, told, frames)
        if row.task == "anomaly":
            return _anomalies(told, arrays, maps)
        # Ultralytics draws the masks of candidates that reach the threshold, and no others.
        cut = row.program == "ultralytics"
        return match_maps(arrays["maps"].astype(np.float64), maps, threshold=told.threshold, above_alone=cut)
    theirs = Boxes(
        arrays["picture"], arrays["boxes"].astype(np.float64), arrays["scores"].astype(np.float64), arrays["labels"]
    )
    return match_boxes(
        theirs,
        ours.boxes_of(bundle, told, frames),
        threshold=told.threshold,
        overlap=told.overlap,
        duplicates=bool(told.duplicates),
    )


def _anomalies(told: Told, arrays: Arrays, maps: Any) -> Agreement:
    """A part's score and its mask: what anomalib marks in a part that it calls bad."""
    score = np.abs(arrays["scores"] - maps.max(axis=(1, 2, 3)))
    bad = arrays["scores"] >= told.threshold
    theirs = (arrays["masks"] > 0) & bad[:, None, None, None]
    # Where it calls a part bad and marks nothing, the strangest place is marked here: the verdict needs one.
    theirs |= (bad & ~theirs.any(axis=(1, 2, 3)))[:, None, None, None] & (
        maps == maps.max(axis=(1, 2, 3), keepdims=True)
    )
    found = match_maps(
        theirs.astype(np.float64), (maps >= told.threshold).astype(np.float64), threshold=0.5, score_bound=1.0
    )
    found.score = 0.0
    for number, apart in enumerate(score.tolist()):
        found.pair(f"part {number}", apart, None, score_bound=0.001, overlap_bound=0.0)
    found.n -= len(score)
    return found


def judged(row: Row, told: Told, found: Compared) -> tuple[str, str]:
    """The row's state and reason, once all was compared."""
    tensor, picture = found.tensor, found.picture
    if tensor is None or picture is None:
        return NOT_SHOWN, found.reason
    problems = []
    if not tensor.holds:
        problems.append("same tensor: " + "; ".join(tensor.examples[:2]))
    if not picture.holds:
        problems.append("from the picture: " + "; ".join(picture.examples[:2]))
    if problems:
        return DIFFERS, " | ".join(problems)
    if tensor.n < NEEDED[row.kind]:
        return NOT_SHOWN, f"{tensor.n} {row.kind} compared, {NEEDED[row.kind]} are needed: train longer"
    if not found.swap_seen:
        return NOT_SHOWN, "red for blue makes no difference to this model: its channel order is not shown"
    if tensor.duplicates:
        return BUT_FOR_DUPLICATES, f"{tensor.duplicates} boxes of things that both find: {told.duplicates}"
    return AGREES, ""
