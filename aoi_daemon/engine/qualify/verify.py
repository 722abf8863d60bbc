"""Check a finished bundle: every hash, and its own golden parts on this machine.

Process: offline. Needs no more than the core: it runs on the line PC too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from aoi_daemon.engine.frames import Frame
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.backend import asked_here, open_judge
from aoi_daemon.engine.qualify.qualify import Golden, Judging, golden_wrong
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.executor import FrameShape


def golden_of(bundle: Bundle) -> dict[str, Golden]:
    """The bundle's golden parts by name."""
    found = {}
    for part in bundle.manifest.golden:
        template = None if part.template is None else bundle.folder / part.template
        frame = Frame(part.image, bundle.folder / part.image, template, bundle.manifest.channels)
        found[part.image] = Golden(frame, part.passed, part.boxes)
    return found


def verify_bundle(folder: Path, *, threads: int, progress: Progress) -> tuple[Bundle, list[str], dict[str, str]]:
    """Check every hash, the report's too, and run the golden parts with every precision.

    Returns:
        The bundle; a line for each golden verdict that does not hold; and precisions that this machine cannot run,
        with the reason.

    Raises:
        ModelError: a file is missing or not the one that the manifest names, or a model does not load.
    """
    bundle = load_bundle(folder)
    check_report(bundle)
    golden, judging = golden_of(bundle), Judging(bundle.manifest, None)
    lines = []
    asked, skipped = asked_here(bundle, ())
    advance = progress.task("running golden parts", len(asked))
    for precision in asked:
        file = bundle.model_path(precision)
        with open_judge(precision, file, bundle.manifest, _first_shape(bundle, golden), threads=threads) as executor:
            lines += [
                f"{precision}: {name} must be {'PASS' if golden[name].passed else _must_be(golden[name])} and is not"
                for name in golden_wrong(executor, golden, judging)
            ]
        advance()
    return bundle, lines, skipped


def _first_shape(bundle: Bundle, golden: Mapping[str, Golden]) -> FrameShape:
    """The shape of the first golden part; of a bundle that has none, the least frame that its model takes."""
    stride = bundle.manifest.stride_px
    for part in golden.values():
        image = part.frame.read()[0]
        return image.shape[0], image.shape[1], bundle.manifest.channels
    return stride, stride, bundle.manifest.channels


def _must_be(part: Golden) -> str:
    return "REJECT" if not part.boxes else f"REJECT with a defect in {' and '.join(map(str, part.boxes))}"


def check_report(bundle: Bundle) -> None:
    """Raises ModelError where report.json is there and not the one that the manifest names."""
    file = bundle.folder / "report.json"
    # A line needs no report: a bundle that was copied without it is as good.
    if bundle.manifest.qualification is None or not file.exists():
        return
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != bundle.manifest.qualification.report_sha256:
        raise ModelError(
            f"{file}: has SHA-256 {found}, the manifest says {bundle.manifest.qualification.report_sha256}; "
            "it was changed, copy the bundle again"
        )
