"""Change of product, and reload of the files: what came of it, or where the refused file is wrong."""

from __future__ import annotations

from collections.abc import Awaitable
from html import escape
from pathlib import Path
from typing import NamedTuple

from aoi_daemon.config.load import load
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.errors import AoiError
from aoi_daemon.golden.manifest import Golden, folder_of, read_golden
from aoi_daemon.hmi.access.roles import Action, Refused
from aoi_daemon.hmi.api.actions import Result
from aoi_daemon.hmi.site import Site
from aoi_daemon.hmi.widgets.cells import proof
from aoi_daemon.hmi.widgets.numbers import whole
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.hmi.widgets.symbols import sign
from aoi_daemon.hmi.widgets.texts import Words


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

    def choice(site: Site, words: Words) -> str:
        return "".join(_row(page, each, used=each.recipe.id == site.recipe.id) for each in recipes)

    wrong = ""
    if problem:
        wrong = f'<p>{words("files_wrong")}</p><p class="answer bad">{escape(problem)}</p>'
    off = "" if page.may(Action.RELOAD) else " disabled"
    note = "" if page.may(Action.RELOAD) else page.for_role("maintenance")
    page.show(
        f'<div class="columns"><section class="panel live"><h2>{words("recipes")}</h2>{wrong}'
        f'{page.cell("recipes", choice)}</section><div class="stack"><section class="panel stack">'
        f'<button class="wide" data-do="reload"{off}>{words("reload")}</button>{note}'
        f'<p class="note">{words("reload_note")}</p><div id="answer"></div></section></div></div>'
    )

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
    page.put("answer", f'<p class="answer">{page.words("working")}</p>')
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
    kind = "good" if ok else "bad"
    page.put("answer", f'<p class="answer {kind}">{sign("check" if ok else "cross")} {escape(text)}</p>')


def _products(config: Path) -> list[_Product]:
    """Every recipe beside `config` with its golden parts, by number. Raises AoiError naming the file that is wrong."""
    recipes = load(config).recipes.items()
    found = [_Product(recipe, read_golden(folder_of(config, name))) for name, recipe in recipes]
    return sorted(found, key=lambda each: each.recipe.id)


def _proof(page: Page, product: _Product, *, used: bool) -> str:
    """What proves it: of the one in use as the line says, of the others what there is to hold against."""
    words, golden = page.words, product.golden
    count = words("proof_parts", good=golden.good, bad=golden.bad)
    if used:
        return f"{proof(page.site, words)} · {escape(count)}"
    missing = not (golden.good and golden.bad)
    who = f" · {words('ACCEPTED')} ({escape(product.recipe.accept_unproven or '')})"
    return escape(count) + (who if product.recipe.accept_unproven and missing else "")


def _row(page: Page, product: _Product, *, used: bool) -> str:
    words, recipe = page.words, product.recipe
    if used:
        act = f'<b class="badge">{sign("check")} {words("current")}</b>'
    else:
        sure = escape(words("change_sure", name=recipe.name, id=recipe.id))
        off = "" if page.may(Action.RECIPE) else " disabled"
        attributes = f'data-do="recipe" data-arg="{recipe.id}" data-confirm="{sure}"{off}'
        act = f"<button {attributes}>{words('change_over')}</button>"
    return (
        f'<div class="recipe"><div><b>{recipe.id}  {escape(recipe.name)}</b>'
        f"<small>{words('bundle')}: {escape(recipe.bundle.name)}</small>"
        f"<small>{_proof(page, product, used=used)}</small></div>{act}</div>"
    )
