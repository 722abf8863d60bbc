"""Vary a batch on the device: cut and join, turn, invert, shift, scale, crop, roughen, relight.

Labels follow exactly. A label that a crop cuts is marked `IGNORE`: neither learnt nor punished.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch.nn import functional

from tools.detector.data import IGNORE, NO_LABEL, SUBSTRATE
from tools.detector.model import normalise
from tools.detector.pool import Batch

# Inverting both images makes each defect its opposite: open and short, mousebite and spur, copper and
# pin-hole (0-based).
OPPOSITE: Final = (1, 0, 3, 2, 5, 4)
# Places tried for a cut that crosses no label.
CUT_TRIES: Final = 12
# The greatest extra shift of a template against its board.
MAX_SHIFT_PX: Final = 4
# The widest range of scales: from traces of 4/5 to those of 5/4 of their width.
MAX_SCALE: Final = 1.25

Tensor = Any


@dataclass(frozen=True)
class Strength:
    """Probabilities, 0 to 1, of what happens to a sample."""

    join: float = 0.5
    invert: float = 0.2
    shift: float = 0.3
    rough: float = 0.3
    relight: float = 0.5
    soften: float = 0.1
    scale: float = 0.0

    def quieter(self) -> Strength:
        """For the last part of a training: close to what a camera delivers."""
        return Strength(self.join * 0.3, self.invert / 4, self.shift / 3, self.rough / 3, self.relight * 0.6,
                        self.soften * 0.3, self.scale / 4)  # fmt: skip


def augment(batch: Batch, crop_px: int, strength: Strength) -> Batch:
    """Return float images [B, C, crop_px, crop_px], -1 to 1, and their labels; C is 2, without templates 1."""
    for axis in (0, 1):
        batch = _join(batch, axis, strength.join)
    batch = _turn(batch)
    batch = _invert(batch, strength.invert)
    if batch.images.shape[1] > 1:
        batch = _shift_template(batch, strength.shift)
    if strength.scale:
        batch = _scale(batch, strength.scale)
    batch = _crop(batch, crop_px)
    images = batch.images.float()
    images = _roughen(images, batch.binary, strength.rough)
    images = _relight(images, batch.binary, strength)
    return replace(batch, images=normalise(images))


def _chance(batch: Batch, probability: float) -> Tensor:
    """Draw bool [B]."""
    return torch.rand(len(batch.images), device=batch.images.device) < probability


def _join(batch: Batch, axis: int, probability: float) -> Batch:
    """Put the far side of one board beside the near side of another; no label is cut.

    `axis` 0 cuts across x, 1 across y. Both boards keep their place, so nothing is scaled.
    """
    count, size = len(batch.images), batch.images.shape[-1]
    device = batch.images.device
    order = torch.randperm(count, device=device)
    low, high = batch.boxes[..., axis], batch.boxes[..., axis + 2]
    used = batch.classes != NO_LABEL
    cuts = (torch.rand(count, CUT_TRIES, device=device) * 0.7 + 0.15) * size
    crossed = _crossed(cuts, low, high, used) | _crossed(cuts, low[order], high[order], used[order])
    # The first free cut; where all cross a label, or chance says no, the cut is beyond the image.
    first = (~crossed).float().argmax(1, keepdim=True)
    cut = torch.where(crossed.all(1), float(size), cuts.gather(1, first)[:, 0])
    cut = torch.where(_chance(batch, probability), cut, float(size)).round()
    along = torch.arange(size, device=device)
    near = along[None, :] < cut[:, None]
    near = near[:, None, None, :] if axis == 0 else near[:, None, :, None]
    images = torch.where(near, batch.images, batch.images[order])
    mine = torch.where(high <= cut[:, None], batch.classes, NO_LABEL)
    other = torch.where(low[order] >= cut[:, None], batch.classes[order], NO_LABEL)
    boxes, classes = _pack(
        torch.cat([batch.boxes, batch.boxes[order]], 1), torch.cat([mine, other], 1), batch.boxes.shape[1]
    )
    # A join of a scan and a gray image is neither; it is treated as gray.
    joined = cut < size
    binary = torch.where(joined, batch.binary & batch.binary[order], batch.binary)
    both = torch.maximum(batch.areas, batch.areas[order])
    return Batch(images, boxes, classes, binary, torch.where(joined[:, None], both, batch.areas))


def _crossed(cuts: Tensor, low: Tensor, high: Tensor, used: Tensor) -> Tensor:
    """Which cuts [B, K] cross a label [B, M]: bool [B, K]."""
    # 1 px: the cut is rounded afterwards.
    inside = (cuts[:, :, None] > low[:, None, :] - 1) & (cuts[:, :, None] < high[:, None, :] + 1)
    return (inside & used[:, None, :]).any(2)


def _pack(boxes: Tensor, classes: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """Move labels before empty slots and keep `slots` of them."""
    order = (classes == NO_LABEL).int().argsort(dim=1, stable=True)[:, :slots]
    return boxes.gather(1, order[..., None].expand(-1, -1, 4)), classes.gather(1, order)


def _turn(batch: Batch) -> Batch:
    """Turn and mirror: each eighth of the batch by another of the square's symmetries."""
    size = batch.images.shape[-1]
    images, boxes = [], []
    # Where the part is turns as a label does.
    framed = torch.cat([batch.boxes, batch.areas[:, None]], 1)
    # Fewer than eight samples begin anywhere, so that all symmetries are met.
    first = 0 if len(batch.images) >= 8 else int(torch.randint(8, (1,)))
    parts = zip(batch.images.tensor_split(8), framed.tensor_split(8), strict=True)
    for number, (part, box) in enumerate(parts, first):
        turned = part
        x1, y1, x2, y2 = box.unbind(-1)
        if number & 1:
            turned, x1, x2 = turned.flip(3), size - x2, size - x1
        if number & 2:
            turned, y1, y2 = turned.flip(2), size - y2, size - y1
        if number & 4:
            turned, x1, y1, x2, y2 = turned.transpose(2, 3), y1, x1, y2, x2
        images.append(turned)
        boxes.append(torch.stack([x1, y1, x2, y2], -1))
    turned_boxes = torch.cat(boxes)
    return replace(batch, images=torch.cat(images), boxes=turned_boxes[:, :-1], areas=turned_boxes[:, -1])


def _invert(batch: Batch, probability: float) -> Batch:
    chosen = _chance(batch, probability)
    opposite = torch.tensor(OPPOSITE, device=batch.classes.device)
    swapped = torch.where(batch.classes >= 0, opposite[batch.classes.clamp(min=0)], batch.classes)
    return replace(
        batch,
        images=torch.where(chosen[:, None, None, None], 255 - batch.images, batch.images),
        classes=torch.where(chosen[:, None], swapped, batch.classes),
    )


def _shift_template(batch: Batch, probability: float) -> Batch:
    """Misregister the template by whole pixels."""
    count, _, rows, columns = batch.images.shape
    device = batch.images.device
    shift = (torch.randn(count, 2, device=device) * 1.3).round().clamp(-MAX_SHIFT_PX, MAX_SHIFT_PX)
    shift = (shift * _chance(batch, probability)[:, None]).long()
    y = (torch.arange(rows, device=device)[None] - shift[:, 1:]).clamp(0, rows - 1)
    x = (torch.arange(columns, device=device)[None] - shift[:, :1]).clamp(0, columns - 1)
    sample = torch.arange(count, device=device)[:, None, None]
    template = batch.images[:, 1][sample, y[:, :, None], x[:, None, :]]
    return replace(batch, images=torch.stack([batch.images[:, 0], template], 1))


def _scale(batch: Batch, probability: float) -> Batch:
    """Enlarge or reduce both images around their middle; what is beyond a reduced board is bare substrate."""
    count, size = len(batch.images), batch.images.shape[-1]
    device = batch.images.device
    wanted = MAX_SCALE ** (torch.rand(count, device=device) * 2 - 1)
    factor = torch.where(_chance(batch, probability), wanted, 1.0)
    matrix = torch.zeros(count, 2, 3, device=device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / factor
    grid = functional.affine_grid(matrix, list(batch.images.shape), align_corners=False)
    # Outside, grid_sample gives 0: what is sampled is the distance to substrate.
    below = functional.grid_sample(SUBSTRATE - batch.images.float(), grid, align_corners=False)
    images = SUBSTRATE - below
    # A one-bit scan stays one.
    binary = batch.binary[:, None, None, None]
    images = torch.where(binary, (images > 127.5) * 255.0, images).round().to(torch.uint8)
    images = torch.where(factor[:, None, None, None] == 1.0, batch.images, images)
    about = size / 2
    moved = (batch.boxes - about) * factor[:, None, None] + about
    boxes = torch.where((batch.classes == NO_LABEL)[..., None], batch.boxes, moved)
    areas = ((batch.areas - about) * factor[:, None] + about).clamp(0, size)
    return replace(batch, images=images, boxes=boxes, areas=areas)


def _crop(batch: Batch, crop_px: int) -> Batch:
    """Cut a window, for each sample at a place of its own on its part: labels meet the cells in every phase."""
    count, _, rows, columns = batch.images.shape
    device = batch.images.device
    x1, y1, x2, y2 = batch.areas.unbind(1)
    left, top = _start(x1, x2, crop_px, columns), _start(y1, y2, crop_px, rows)
    span = torch.arange(crop_px, device=device)
    sample = torch.arange(count, device=device)[:, None, None]
    y, x = (top[:, None] + span)[:, :, None], (left[:, None] + span)[:, None, :]
    images = torch.stack([channel[sample, y, x] for channel in batch.images.unbind(1)], 1)
    offset = torch.stack([left, top, left, top], 1)[:, None, :].float()
    moved = batch.boxes - offset
    inner = moved.clamp(0, crop_px)
    area, seen = _area(moved), _area(inner)
    cut = torch.where(seen < area * 0.999, IGNORE, batch.classes)
    classes = torch.where((batch.classes == NO_LABEL) | (seen <= 0), NO_LABEL, cut)
    return replace(batch, images=images, boxes=inner, classes=classes)


def _start(low: Tensor, high: Tensor, crop_px: int, size: int) -> Tensor:
    """Where windows of `crop_px` begin, int64 [B]: inside a part from `low` to `high`, around a smaller one."""
    first, last = torch.minimum(low, high - crop_px).ceil(), torch.maximum(low, high - crop_px).floor()
    first, last = first.clamp(0, size - crop_px), last.clamp(0, size - crop_px)
    return (first + (torch.rand_like(first) * (last - first + 1)).floor()).clamp(max=size - crop_px).long()


def _roughen(images: Tensor, binary: Tensor, probability: float) -> Tensor:
    """Flip pixels at the edges of one-bit scans. Float images 0 to 255, [B, 2, H, W]."""
    count = len(images)
    chosen = binary & (torch.rand(count, device=images.device) < probability)
    # 0.45 of the full swing at most: pixels away from an edge never flip.
    swing = 255 * 0.45 * torch.rand(count, images.shape[1], 1, 1, device=images.device)
    noise = (torch.rand_like(images) * 2 - 1) * swing
    blurred = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    rough = (blurred + noise > 127.5).to(images.dtype) * 255
    return torch.where(chosen[:, None, None, None], rough, images)


def _relight(images: Tensor, binary: Tensor, strength: Strength) -> Tensor:
    """Other light and noise for gray images; some scans become gray ones. Float 0 to 255."""
    count, channels, device = len(images), images.shape[1], images.device
    gray = ~binary & (torch.rand(count, device=device) < strength.relight)
    soft = binary & (torch.rand(count, device=device) < strength.soften)
    blurred = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    dark = torch.rand(count, 1, 1, 1, device=device) * 100
    span = 90 + torch.rand(count, 1, 1, 1, device=device) * 65
    images = torch.where(soft[:, None, None, None], blurred / 255 * span + dark, images)
    # Common to both images, and a little of their own.
    gain = (
        1 + 0.12 * torch.randn(count, 1, 1, 1, device=device) + 0.03 * torch.randn(count, channels, 1, 1, device=device)
    )
    level = 12 * torch.randn(count, 1, 1, 1, device=device) + 3 * torch.randn(count, channels, 1, 1, device=device)
    noise = torch.randn_like(images) * (5 * torch.rand(count, channels, 1, 1, device=device))
    changed = (images * gain.clamp(0.6, 1.4) + level + noise).clamp(0, 255)
    return torch.where((gray | soft)[:, None, None, None], changed, images)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)
