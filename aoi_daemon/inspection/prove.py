"""Hold golden parts of the product against what judges it, and say whether the product is proven.

A good part holds when it passes. A bad part holds when it is rejected for DEFECT, and each of its labelled boxes is
met by a detection that counts. Rejected because the picture does not fit, or for a speck elsewhere, it proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.labelled import unmet
from aoi_daemon.errors import AoiError, InferenceTimeoutError
from aoi_daemon.golden.manifest import Golden, GoldenError, Image, Part, read_golden
from aoi_daemon.inspection.look import Looker, look
from aoi_daemon.messages import Defect, Proof, Reason
from aoi_daemon.stage.stage import now_ns

_LONGEST_S: Final = 5.0
"""Time allowed to one golden part; it is not on the takt."""
_SHOWN: Final = 5


class Held(NamedTuple):
    """What became of one golden part. `why` it does not hold, "" where it does; `verdict` in words."""

    part: Part
    why: str
    verdict: str


class Product(NamedTuple):
    """What golden parts say of a product: so many good and bad ones, and a line for each that does not hold.

    `view` is the one that they show; `views` what they say of each, where the product has several.
    """

    good: int = 0
    bad: int = 0
    wrong: tuple[str, ...] = ()
    view: str = ""
    views: tuple[Product, ...] = ()

    @property
    def complete(self) -> bool:
        """At least one good and one bad part, of each view: one that nothing proves may pass whatever it shows."""
        if self.views:
            return all(view.complete for view in self.views)
        return self.good > 0 and self.bad > 0

    def proof(self, *, accepted: bool, upgraded: bool) -> Proof:
        """Whether the line may be READY with it.

        Args:
            accepted: the recipe says who answers for missing parts.
            upgraded: the recipe was in use before proof was asked for, and its time is not over.
        """
        if self.wrong:
            return Proof.NOT_PROVEN  # a fault, which nobody can excuse: take the part out, or mend what judges it
        if self.complete:
            return Proof.PROVEN
        if accepted:
            return Proof.ACCEPTED
        return Proof.UPGRADED if upgraded else Proof.NOT_PROVEN

    def text(self, product: str) -> str:
        """What is missing or does not hold, and the command that mends it; "" where it is proven."""
        if self.wrong:
            shown = "; ".join(self.wrong[:_SHOWN])
            more = f"; and {len(self.wrong) - _SHOWN} more" if len(self.wrong) > _SHOWN else ""
            return (
                f"recipe {product}: {shown}{more}. Mend what judges it, or take the part out: "
                f"aoi-daemon golden remove --recipe {product} NAME"
            )
        if self.complete:
            return ""
        if self.views:
            return "; ".join(said for view in self.views if (said := view.text(product)))
        wanted = (("--good PICTURE", self.good), ("--bad PICTURE --box x1,y1,x2,y2", self.bad))
        missing = [words for words, count in wanted if not count]
        option, of = (f"--view {self.view} ", f", view {self.view}") if self.view else ("", "")
        commands = " and ".join(f"aoi-daemon golden add --recipe {product} {option}{words}" for words in missing)
        counted = f"{self.good} good and {self.bad} bad golden parts, one of each is needed"
        return f"recipe {product}{of}: {counted}: {commands}"


def prove(by: Looker, golden: Golden, progress: Callable[[], None]) -> list[Held]:
    """Judge every golden part as the line judges its parts; `progress` is called after each.

    Raises:
        InferenceError: the engine failed.
    """
    found = []
    for part in golden.parts:
        try:
            image, template = golden.picture(part, by.recipe.channels)
        except AoiError as error:
            found.append(Held(part, str(error), "-"))
        else:
            found.append(hold(by, part, image, template))
        progress()
    return found


def golden_of(folder: Path) -> Golden | str:
    """The golden parts in `folder`; text: why they cannot be read, so that nothing is proven by them."""
    try:
        return read_golden(folder)
    except GoldenError as error:
        return str(error)


def product_of(held: Iterable[Held], view: str = "") -> Product:
    """What the parts, all of one view, say together."""
    held = tuple(held)
    good = sum(each.part.passed for each in held)
    wrong = tuple(f"{each.part.name} {each.why}" for each in held if each.why)
    return Product(good, len(held) - good, wrong, view)


def counted(golden: Golden, recipe: Recipe) -> Product:
    """What the golden parts of `recipe` would say if all of them hold; none has been judged."""
    names = [view.name for view in recipe.views]
    if not names:
        return Product(golden.good, golden.bad, tuple(golden.strays(names)))
    of_each = [(name, golden.of_view(name, 0, alone=len(names) == 1)) for name in names]
    return together([Product(parts.good, parts.bad, (), name) for name, parts in of_each], golden.strays(names))


def together(products: Sequence[Product], strays: Sequence[str] = ()) -> Product:
    """What is said of a product by what is said of each of its views, and by parts that show none of them."""
    if len(products) == 1 and not strays:
        return products[0]
    wrong = [*strays, *(line for product in products for line in product.wrong)]
    views = tuple(products) if len(products) > 1 else ()
    good, bad = sum(product.good for product in products), sum(product.bad for product in products)
    return Product(good, bad, tuple(wrong), views=views)


def hold(by: Looker, part: Part, image: Image, template: Image | None) -> Held:
    """Judge one part and hold it against its label.

    Its own template counts where the recipe has none of its field of view: no camera brings one, so parts that hold
    against their own would say nothing of the recipe's, which every part on the line is judged against.

    Raises:
        InferenceError: the engine failed.
    """
    recipe = by.recipe
    if image.shape[:2] != (recipe.height_px, recipe.width_px):
        size = f"{image.shape[1]} x {image.shape[0]}"
        return Held(part, f"is {size} px, the recipe is {recipe.width_px} x {recipe.height_px}", "-")
    own = None if part.fov in by.templates else template
    picked_ns = now_ns()
    try:
        seen = look(
            by, image, own, fov=part.fov, deadline_ns=picked_ns + int(_LONGEST_S * 1e9), picked_ns=picked_ns,
            clock=now_ns, at_most=None,
        )  # fmt: skip
    except InferenceTimeoutError:
        return Held(part, f"took longer than {_LONGEST_S:g} s", "LATE")
    verdict = seen.verdict
    words = "PASS" if verdict.passed else f"REJECT {Reason(verdict.reason).name}"
    if part.passed and not verdict.passed:
        found = _listed(by, verdict.defects) if verdict.reason is Reason.DEFECT else verdict.reason.name
        return Held(part, f"is good and was rejected: {found}", words)
    if part.passed:
        return Held(part, "", words)
    if verdict.passed:
        return Held(part, "is bad and passed", words)
    if verdict.reason is not Reason.DEFECT:
        why = f"is bad and was rejected, but for {verdict.reason.name}: its defect was not looked for"
        return Held(part, why, words)
    # What is found on an aligned frame lies as on the template; labels lie as on the picture. A turn is left out: it
    # moves a box by its angle times the distance from the middle, a few px where frames are aligned at all.
    shift = (seen.offset_x / 100 * recipe.px_per_mm, seen.offset_y / 100 * recipe.px_per_mm)
    return Held(part, _unmet(by, part, verdict.defects, shift), words)


def _unmet(by: Looker, part: Part, defects: Sequence[Defect], shift: tuple[float, float]) -> str:
    """Why the boxes of a rejected bad part do not hold, "" where they do."""
    manifest, recipe = by.bundle.manifest, by.recipe
    if not part.boxes and manifest.task != "classify":
        return "is bad and has no box: nothing says what must be found"
    for box in part.boxes:
        if box.x2 > recipe.width_px or box.y2 > recipe.height_px:
            return f"has the box {box}, which is not inside {recipe.width_px} x {recipe.height_px} px"
        if box.label and box.label not in manifest.classes:
            return f"has the box {box}, and the bundle has no class {box.label} (there: {', '.join(manifest.classes)})"
    missed = unmet(part.boxes, defects, manifest.classes, shift)
    if not missed:
        return ""
    where = " and ".join(map(str, missed[:3]))
    return f"is bad, and its defect in {where} was not found; found: {_listed(by, defects)}"


def _listed(by: Looker, defects: Sequence[Defect]) -> str:
    classes = by.bundle.manifest.classes
    some = [f"{classes[d.label]} {d.score:.2f} at {d.x1:.0f},{d.y1:.0f},{d.x2:.0f},{d.y2:.0f}" for d in defects[:3]]
    return ", ".join(some) + (f" and {len(defects) - 3} more" if len(defects) > 3 else "")
