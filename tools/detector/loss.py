"""What the network is asked to learn: task-aligned assignment, then classification and box losses.

Assignment follows TOOD (Feng et al. 2021) as YOLOv8 sets it: each label goes to the ten cells inside its
box whose class score and box agree best, and a cell's target score is that agreement. How much of the best
cell's target is the fit of its box, `Aim` says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

from tools.detector.data import IGNORE
from tools.detector.model import STRIDE

# TOOD's exponents of score and IoU, and cells for each label.
SCORE_POWER: Final = 0.5
IOU_POWER: Final = 6.0
CELLS_PER_LABEL: Final = 10
# A square of a little more than a cell holds a cell's centre, wherever it lies.
SURE_HALF_PX: Final = STRIDE / 2 + 0.05
# YOLOv8's balance.
BOX_WEIGHT: Final = 7.5
CLASS_WEIGHT: Final = 0.5

Tensor = Any


@dataclass(frozen=True)
class Aim:
    """What the loss asks for.

    The defaults are what crossval found best on boards of other products (tools/README.md). Of 143 wrong calls of the
    demo's detector on DeepPCB, 124 were of another class and one had a box that fits badly.

    Attributes:
        fit: power of the box's IoU in a label's highest target score, from 0. At 1 a score says how well
            the box fits too; at 0 it says only whether there is such a defect.
        kinds: weight, from 0, of the cross-entropy between the classes at cells that have a label. The
            sigmoids beside it judge each class by itself and leave two classes of one defect both likely.
    """

    fit: float = 0.0
    kinds: float = 0.5


def cell_centres(rows: int, columns: int, device: Any) -> Tensor:
    """Centres of the cells in px, [rows * columns, 2] x y, row by row."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    return (torch.stack([x, y], -1).reshape(-1, 2).float() + 0.5) * STRIDE


def reach_to_boxes(centres: Tensor, log_reach: Tensor) -> Tensor:
    """Decode [B, 4, h, w] around centres [A, 2] into boxes [B, A, 4] in px."""
    reach = log_reach.float().flatten(2).transpose(1, 2).exp() * STRIDE
    return torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], -1)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes [B, M, 4] with [B, A, 4]: [B, M, A]."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_a, area_b = _area(a)[:, :, None], _area(b)[:, None, :]
    return shared / (area_a + area_b - shared).clamp(min=1e-6)


def assign(
    scores: Tensor, boxes: Tensor, centres: Tensor, labels: Tensor, classes: Tensor, *, fit_power: float = 1.0
) -> tuple[Tensor, ...]:
    """Hand labels to cells.

    Args:
        scores: [B, A, C] predicted, 0 to 1.
        boxes: [B, A, 4] predicted, px.
        centres: [A, 2] px.
        labels: [B, M, 4] px.
        classes: int64 [B, M], negative where there is no label.
        fit_power: `Aim.fit`.

    Returns:
        For each cell: the label's number [B, A], whether it has one (bool [B, A]), and the target
        score [B, A].
    """
    valid = classes >= 0
    inside = _inside(centres, _reachable(labels)) & valid[:, :, None]
    iou = pairwise_iou(labels, boxes) * inside
    mine = scores.transpose(1, 2).gather(1, classes.clamp(min=0)[:, :, None].expand(-1, -1, scores.shape[1]))
    fit = (mine.clamp(min=1e-8) ** SCORE_POWER) * iou**IOU_POWER * inside
    best = fit.topk(CELLS_PER_LABEL, 2)
    # A cell outside the box may fill the ten of a hopeless fit: `inside` takes it out again.
    chosen = torch.zeros_like(inside).scatter_(2, best.indices, True) & inside
    # A cell that several labels chose goes to the one whose box fits best.
    owner = torch.where(chosen, iou + 1e-3, 0.0).argmax(1)
    taken = chosen.any(1)
    numbers = torch.arange(labels.shape[1], device=labels.device)
    only = (owner[:, None, :] == numbers[None, :, None]) & chosen
    fit, iou = fit * only, iou * only
    scale = iou.amax(2, keepdim=True) ** fit_power / fit.amax(2, keepdim=True).clamp(min=1e-9)
    return owner, taken, (fit * scale).amax(1)


def detection_loss(
    logits: Tensor, log_reach: Tensor, labels: Tensor, classes: Tensor, aim: Aim | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of a batch.

    Args:
        logits: [B, C, h, w].
        log_reach: [B, 4, h, w].
        labels: [B, M, 4] px.
        classes: int64 [B, M], negative for an empty slot, `IGNORE` for a region not to judge.
        aim: what is asked for.

    Returns:
        Total, class part and box part, scalars.
    """
    aim = aim or Aim()
    centres = cell_centres(logits.shape[2], logits.shape[3], logits.device)
    cells = logits.float().flatten(2).transpose(1, 2)
    boxes = reach_to_boxes(centres, log_reach)
    owner, taken, strength = assign(
        cells.detach().sigmoid(), boxes.detach(), centres, labels, classes, fit_power=aim.fit
    )  # fmt: skip
    kind = classes.clamp(min=0).gather(1, owner)
    wanted = functional.one_hot(kind, cells.shape[2]) * (strength * taken)[..., None]
    total = strength.sum().clamp(min=1.0)
    ignored = (_inside(centres, labels) & (classes == IGNORE)[:, :, None]).any(1) & ~taken
    each = functional.binary_cross_entropy_with_logits(cells, wanted, reduction="none")
    class_loss = (each * ~ignored[..., None]).sum() / total
    if aim.kinds:
        apart = functional.cross_entropy(cells.transpose(1, 2), kind, reduction="none")
        class_loss = class_loss + aim.kinds * (apart * strength * taken).sum() / total
    target = labels.gather(1, owner[..., None].expand(-1, -1, 4))
    box_loss = ((1.0 - complete_iou(boxes, target)) * strength * taken).sum() / total
    return CLASS_WEIGHT * class_loss + BOX_WEIGHT * box_loss, class_loss.detach(), box_loss.detach()


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU of box pairs [..., 4] (Zheng et al. 2020): overlap, distance of centres, aspect."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    iou = shared / (_area(a) + _area(b) - shared).clamp(min=1e-6)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    size_a, size_b = (a[..., 2:] - a[..., :2]).clamp(min=1e-6), (b[..., 2:] - b[..., :2]).clamp(min=1e-6)
    turn = torch.atan(size_a[..., 0] / size_a[..., 1]) - torch.atan(size_b[..., 0] / size_b[..., 1])
    aspect = (4 / math.pi**2) * turn.square()
    with torch.no_grad():
        weight = aspect / (1.0 - iou + aspect).clamp(min=1e-6)
    return iou - apart / hull.square().sum(-1).clamp(min=1e-6) - weight * aspect


def _reachable(labels: Tensor) -> Tensor:
    """Labels [B, M, 4], those too small to be sure of a cell's centre grown until they are: no label is passed over."""
    middle = (labels[..., :2] + labels[..., 2:]) / 2
    half = ((labels[..., 2:] - labels[..., :2]) / 2).clamp(min=SURE_HALF_PX)
    return torch.cat([middle - half, middle + half], -1)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Which centres [A, 2] lie in which boxes [B, M, 4]: bool [B, M, A]."""
    x, y = centres[:, 0], centres[:, 1]
    left, top, right, bottom = (side[..., None] for side in boxes.unbind(-1))
    return (x > left) & (y > top) & (x < right) & (y < bottom)
