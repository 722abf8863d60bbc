"""What `aoi-daemon calibrate` prints: lines for line.toml, or JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from aoi_daemon.config.cameras import Camera, NodeSetting
from aoi_daemon.config.lens import Mark
from aoi_daemon.engine.calibrate.solve import Solved
from aoi_daemon.engine.calibrate.white import White, balance
from aoi_daemon.target.board import Target


def measured_toml(solved: Solved, white: White, camera: Camera | None) -> str:
    """The section of what was measured; `camera` is the one of line.toml that it is of, where that is known."""
    lens = solved.lens
    lines = [
        f"# {solved.corners} corners, {solved.residual_px:.2f} px beside the model (RMS); the scale differs by "
        f"{solved.tilt_percent:.2f} % over the target",
        "# recipes of this camera: px_per_mm = " + f"{lens.px_per_mm:.4f}",
        *_balance_lines(white, camera),
        "[cameras.calibration]  # below the [[cameras]] that it is of",
        f"width_px = {lens.width_px}",
        f"height_px = {lens.height_px}",
        f"px_per_mm = {lens.px_per_mm:.5f}",
        f"k1 = {lens.k1:.6f}",
        f"k2 = {lens.k2:.6f}",
        marks_toml(lens.marks),
    ]
    return "\n".join(lines)


def measured_json(solved: Solved, white: White, camera: Camera | None) -> str:
    """The same as one JSON object."""
    gains = white.gains
    said = {
        **solved.lens.model_dump(mode="json", exclude={"watch"}), "corners": solved.corners,
        "residual_px": solved.residual_px, "tilt_percent": solved.tilt_percent,
        "white_balance": None if gains is None else dict(zip(("blue", "green", "red"), gains, strict=True)),
        "settings": [] if gains is None else [
            {"node": setting.node, "value": setting.value} for setting in balance(gains, _settings(camera))
        ],
        "white": list(white.levels), "warnings": white.warnings,
    }  # fmt: skip
    return json.dumps(said)


def watch_toml(marks: Sequence[Mark], target: Target, most_px: float, fov: int | None) -> str:
    """The lines by which a target that stays in view is looked for."""
    lines = [
        "# into [cameras.calibration], in place of its marks:",
        marks_toml(marks),
        "[cameras.calibration.watch]  # below it",
        f"columns = {target.columns}",
        f"rows = {target.rows}",
        f"most_px = {most_px:g}",
    ]
    if fov is not None:
        lines.append(f"fov = {fov}")
    return "\n".join(lines)


def marks_toml(marks: Sequence[Mark]) -> str:
    """`marks`, a line each."""
    said = ",\n".join(f"  {{ id = {mark.id}, x_px = {mark.x_px}, y_px = {mark.y_px} }}" for mark in marks)
    return f"marks = [\n{said},\n]"


def _balance_lines(white: White, camera: Camera | None) -> list[str]:
    if white.gains is None:
        return []
    blue, green, red = white.gains
    gains = f"red {red:.3f}, green {green:.3f}, blue {blue:.3f}"
    lines = [f"# white balance: gains of {gains}, times those that the camera has now"]
    if camera is not None and camera.kind != "genicam":
        return lines
    return [
        *lines,
        f"# for `settings` of {'this' if camera is not None else 'a GenICam'} camera, where it has BalanceRatio:",
        *(f"#   {_table(setting)}," for setting in balance(white.gains, _settings(camera))),
        "# a ratio that `settings` does not name yet is taken to be 1.0; where it is another, multiply",
    ]


def _settings(camera: Camera | None) -> Sequence[NodeSetting]:
    return camera.settings if camera is not None and camera.kind == "genicam" else ()


def _table(setting: NodeSetting) -> str:
    value = f'"{setting.value}"' if isinstance(setting.value, str) else str(setting.value)
    return f'{{ node = "{setting.node}", value = {value} }}'
