"""Which boards a run is judged on: complete groups of boards, as even as groups allow.

Boards of one group are pictures of one product. Were a group in training and test at once, the test would
ask how well a product is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence

from aoi_daemon.kit.boards.labels import BoardsError


def groups_of(names: Sequence[str], letters: int) -> dict[str, list[int]]:
    """Places of the boards of each group; a name's first `letters` are its group's name."""
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        groups.setdefault(name[:letters], []).append(place)
    return groups


def folds_of(groups: dict[str, list[int]], count: int) -> list[list[str]]:
    """Deal the groups to `count` folds, the largest group first, each to the smallest fold by then.

    Raises:
        BoardsError: fewer groups than folds.
    """
    if len(groups) < count:
        raise BoardsError(
            f"folds: {count} of {len(groups)} board groups ({', '.join(sorted(groups))}); name at most that many"
        )
    folds: list[list[str]] = [[] for _ in range(count)]
    sizes = [0] * count
    for name in sorted(groups, key=lambda name: (-len(groups[name]), name)):
        smallest = sizes.index(min(sizes))
        folds[smallest].append(name)
        sizes[smallest] += len(groups[name])
    return folds
