"""Change of product, and reload of the files: what came of it, or where the refused file is wrong."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from aoi_daemon.config.load import load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import AoiError
from aoi_daemon.golden.manifest import Golden, folder_of, read_golden
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.api.actions import Result
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets.cells import proof
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.texts.words import Words


class _Product(NamedTuple):
    recipe: Recipe
    golden: Golden


async def build(page: Page) -> None:
    """Show it."""
    words = page.words
    recipes: list[_Product] = []
    problem = ""
    try:
        recipes = await page.site.read(_products, page.site.stage.setup.config_file)
    except (AoiError, OSError) as error:
        problem = str(error)

    def choice(site: Site, words: Words) -> Markup:
        rows = [_row(page, each, used=each.recipe.id == site.recipe.id) for each in recipes]
        return lay_out("cells/recipes.html", words, rows=rows, may=page.may(Action.RECIPE))

    may = page.may(Action.RELOAD)
    page.show(
        lay_out(
            "pages/recipe.html", words, problem=problem, recipes=page.cell("recipes", choice), may=may,
            note=Markup() if may else page.for_role("maintenance"),
        )
    )  # fmt: skip

    async def reload(_: str) -> None:
        result = await _answered(page, page.site.actions.reload(page.session))
        if result is not None and result.ok:
            changed = ", ".join(map(str, result.answer.get("changed") or ())) or words("nothing_changed")
            _tell(page, words("done_reload", what=changed), ok=True)

    async def change(number: str) -> None:
        doing = page.site.actions.change_recipe(page.session, whole(number) or 0)
        result = await _answered(page, doing)
        if result is not None and result.ok:
            _tell(page, words("done_recipe"), ok=True)

    page.on("reload", reload)
    page.on("recipe", change)


async def _answered(page: Page, doing: Awaitable[Result]) -> Result | None:
    page.put("answer", lay_out("parts/answer.html", page.words, kind="", mark="", text=page.words("working")))
    try:
        result = await doing
    except Refused as refused:
        _tell(page, page.refusal(refused), ok=False)
        return None
    if not result.ok:
        # As the daemon words it: it names file, key, value and bound, which are the same in every language.
        _tell(page, result.text, ok=False)
    return result


def _tell(page: Page, text: str, *, ok: bool) -> None:
    kind, mark = ("good", "check") if ok else ("bad", "cross")
    page.put("answer", lay_out("parts/answer.html", page.words, kind=kind, mark=mark, text=text))


def _products(config: Path) -> list[_Product]:
    """Every recipe beside `config` with its golden parts, by number. Raises AoiError naming the file that is wrong."""
    recipes = load(config).recipes.items()
    found = [_Product(recipe, read_golden(folder_of(config, name))) for name, recipe in recipes]
    return sorted(found, key=lambda each: each.recipe.id)


class _Row(NamedTuple):
    """One product as it is shown; `proof` of the one in use as the line says, of others what there is to try it on."""

    id: int
    name: str
    bundle: str
    used: bool
    sure: str
    golden: str
    proof: Markup | None
    accepted_by: str


def _bundles(recipe: Recipe) -> str:
    own = [view.bundle or recipe.bundle for view in recipe.views] or [recipe.bundle]
    return ", ".join(dict.fromkeys(folder.name for folder in own))


def _row(page: Page, product: _Product, *, used: bool) -> _Row:
    words, recipe, golden = page.words, product.recipe, product.golden
    missing = not golden.proves([view.name for view in recipe.views])
    return _Row(
        id=recipe.id, name=recipe.name, bundle=_bundles(recipe), used=used,
        sure=words("change_sure", name=recipe.name, id=recipe.id),
        golden=words("proof_parts", good=golden.good, bad=golden.bad),
        proof=proof(page.site, words) if used else None,
        accepted_by=recipe.accept_unproven or "" if missing and not used else "",
    )  # fmt: skip
