"""Read the parts that a person wants to add: pictures or a record, with template and boxes, each checked.

Process: offline. Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aoi_daemon.config.boxes import Box, read_box
from aoi_daemon.config.recipe import Manifest, Recipe
from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.labels import read_label
from aoi_daemon.files.pairs import TEST, NamesError, name_before, parts_in
from aoi_daemon.golden.manifest import Image
from aoi_daemon.golden.store import NewPart
from aoi_daemon.pictures import list_pictures, read_picture
from aoi_daemon.records import rows
from aoi_daemon.records.database import open_reader
from aoi_daemon.records.queries import part as part_of
from aoi_daemon.records.queries import part_by_uid

_DIGITS: Final = 18
"""Of the highest row that SQLite numbers."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for, of one product, or of `view` of it, which `camera` takes.

    `recipe` is the view's; `fov` None: 0, or the record's; `bits` as `pictures` has it.
    """

    name: str
    recipe: Recipe
    manifest: Manifest
    passed: bool
    boxes: tuple[Box, ...]
    template: Path | None
    fov: int | None
    bits: int | None = None
    view: str | None = None
    camera: str = ""


def parse_box(text: str) -> Box:
    """`x1,y1,x2,y2` or `x1,y1,x2,y2,class`. Raises InputError saying what is wrong with it."""
    words = text.split(",", 4)
    try:
        numbers = [float(word) for word in words[:4]]
    except ValueError:
        numbers = []
    try:
        return read_box([*numbers, *(word.strip() for word in words[4:])])
    except ValueError as error:
        raise InputError(f"--box {text}: {error}") from None


def from_pictures(wanted: Wanted, pictures: Sequence[Path]) -> list[NewPart]:
    """The pictures as parts, in DeepPCB's layout with what lies beside them.

    Raises:
        AoiError: a file is missing, of another size or no picture, or a box is wrong; names it.
    """
    if len(pictures) != 1 and (wanted.boxes or wanted.template is not None):
        raise InputError(f"--box and --template are of one picture, and {len(pictures)} are named: add them one by one")
    return [_from_picture(wanted, picture) for picture in pictures]


def from_record(wanted: Wanted, folder: Path, number: str) -> NewPart:
    """A recorded part; a bad one that a person has confirmed brings its boxes.

    Raises:
        AoiError: there is no such part, no picture of it, or nobody has said where it is bad.
    """
    with closing(open_reader(folder)) as connection:
        is_row = number.isdecimal() and len(number) <= _DIGITS
        found = part_of(connection, int(number)) if is_row else part_by_uid(connection, number)
    source = f"--record {number}"
    if found is None:
        raise InputError(f"{source}: there is no such part in {folder}; a number is its id, or give RUN-PART")
    if found.recipe_id != wanted.recipe.id:
        raise InputError(f"{source}: was judged as recipe {found.recipe_id} {found.recipe}, not as {wanted.name}")
    if wanted.view is not None and (found.camera, found.fov) != (wanted.camera, wanted.fov):
        shown = f"camera {found.camera}, fov {found.fov}"
        raise InputError(f"{source}: was decided by {shown}, and that is not view {wanted.view}")
    if found.image is None:
        raise InputError(f"{source}: its picture was not kept ([recorder] says of which parts it is)")
    against = {"defect": True, "false_call": False}.get(found.review.verdict if found.review else "")
    if found.review is not None and against is wanted.passed:
        raise InputError(f"{source}: {found.review.by} has reviewed it as {found.review.verdict}; review it anew first")
    boxes = wanted.boxes
    if not wanted.passed and not boxes and found.review is not None:
        boxes = _recorded_boxes(found, wanted.recipe)
    template = wanted.template
    if template is None and found.template is not None:
        template = folder / found.template
    fov = found.fov if wanted.fov is None else wanted.fov
    hint = "" if found.review is not None else "; or have it reviewed on the page: its recorded defects are taken then"
    return _part(
        wanted, f"record-{found.id}", folder / found.image, template, boxes, source=f"record {found.uid}", fov=fov,
        hint=hint,
    )  # fmt: skip


def _recorded_boxes(part: rows.Part, recipe: Recipe) -> tuple[Box, ...]:
    dx, dy = part.shift_px
    found = []
    for each in part.defects:
        x1, x2 = (min(max(x + dx, 0.0), float(recipe.width_px)) for x in (each.x1, each.x2))
        y1, y2 = (min(max(y + dy, 0.0), float(recipe.height_px)) for y in (each.y1, each.y2))
        if x1 < x2 and y1 < y2:
            found.append(Box(x1, y1, x2, y2, each.name))
    return tuple(found)


def _from_picture(wanted: Wanted, picture: Path) -> NewPart:
    board, folder = name_before(picture, TEST), picture.parent
    name = picture.stem if board is None else board
    template, boxes = wanted.template, wanted.boxes
    try:
        beside = parts_in(list_pictures(folder), (entry for entry in folder.iterdir() if entry.is_file()))
    except NamesError as error:
        raise InputError(str(error)) from None
    if template is None and board is not None:
        template = beside.templates.get(board)
    if not wanted.passed and not boxes and name in beside.labels:
        boxes = _labelled(beside.labels[name], wanted)
    hint = f"; or put {name}.txt beside it (x1 y1 x2 y2 class)"
    return _part(wanted, name, picture, template, boxes, source=str(picture), fov=wanted.fov or 0, hint=hint)


def _labelled(label: Path, wanted: Wanted) -> tuple[Box, ...]:
    recipe, classes = wanted.recipe, wanted.manifest.classes
    corners, kinds = read_label(label, recipe.width_px, recipe.height_px, len(classes))
    if not len(corners):
        raise InputError(f"{label}: is empty, which says that the part is good: add it with --good")
    pairs = zip(corners.tolist(), kinds.tolist(), strict=True)
    return tuple(read_box([*corner, classes[kind]]) for corner, kind in pairs)


def _part(
    wanted: Wanted, name: str, picture: Path, template: Path | None, boxes: tuple[Box, ...], *, source: str, fov: int,
    hint: str,
) -> NewPart:  # fmt: skip
    recipe, manifest = wanted.recipe, wanted.manifest
    image = _read(picture, wanted)
    if not 0 <= fov <= 65_535:
        raise InputError(f"--fov {fov}: 0 to 65535")
    if wanted.passed and boxes:
        raise InputError(f"{source}: --box says where a bad part is bad; a good one has none")
    if not wanted.passed and not boxes and manifest.task != "classify":
        raise InputError(f"{source}: nothing says where it is bad: --box x1,y1,x2,y2{hint}")
    for box in boxes:
        if box.x2 > recipe.width_px or box.y2 > recipe.height_px:
            raise InputError(f"{source}: box {box} is not inside {recipe.width_px} x {recipe.height_px} px")
        if box.label and (box.label not in manifest.classes or box.label in manifest.good_classes):
            there = ", ".join(each for each in manifest.classes if each not in manifest.good_classes)
            raise InputError(f"{source}: box {box}: the bundle finds no {box.label} (it finds: {there})")
    needs_one = manifest.has_template or recipe.registration is not None
    has_one = any(each.fov == fov for each in recipe.templates)
    if wanted.template is not None and has_one:
        raise InputError(
            f"{source}: --template: the recipe has a template of fov {fov}, which its parts are judged against; leave "
            "--template out"
        )
    if needs_one and template is None and not has_one:
        raise InputError(f"{source}: is judged against a template, and the recipe has none of fov {fov}: --template")
    own = None if template is None or has_one or not needs_one else _read(template, wanted)
    return NewPart(name, image, own, wanted.passed, fov, boxes, source, wanted.view)


def _read(file: Path, wanted: Wanted) -> Image:
    recipe = wanted.recipe
    image = read_picture(file, recipe.channels, bits=wanted.bits)
    if image.shape[:2] != (recipe.height_px, recipe.width_px):
        raise InputError(
            f"{file}: is {image.shape[1]} x {image.shape[0]} px, the recipe is {recipe.width_px} x {recipe.height_px}; "
            "a golden part is a picture as the camera takes it"
        )
    return image
