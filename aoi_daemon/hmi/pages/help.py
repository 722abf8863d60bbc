"""Which line, which version, which model; and what the signs and colours mean."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from aoi_daemon import __version__
from aoi_daemon.hmi.access.roles import Refused
from aoi_daemon.hmi.widgets.layout import lay_out
from aoi_daemon.hmi.widgets.shell import Page
from aoi_daemon.infer.bundle import MANIFEST
from aoi_daemon.version import described


async def build(page: Page) -> None:
    """Show it."""
    words, site = page.words, page.site
    try:
        folders = dict.fromkeys(view.recipe.bundle for view in site.views)
        bundle = "; ".join([f"{folder.name}  {await site.read(bundle_hash, folder)}" for folder in folders])
    except (OSError, Refused) as error:
        bundle = f"{site.recipe.bundle.name}  {words('not_found', why=str(error))}"
    try:
        version = await site.read(described)  # in a checkout git is asked
    except Refused:
        version = __version__
    setup, section = site.stage.setup, site.config.line
    python = ".".join(map(str, sys.version_info[:3]))
    facts = (
        ("line", section.name),
        ("version", f"aoi-daemon {version}, Python {python}"),
        ("config_file", str(setup.config_file)),
        ("recipe", f"{site.recipe.id}  {site.recipe.name}"),
        ("bundle", bundle),
        ("run_id", setup.run),
        ("takt", f"{section.takt_ms:g} ms{words('comma')}{words('deadline', ms=f'{section.deadline_ms:g}')}"),
    )
    page.show(lay_out("pages/help.html", words, values=facts))


def bundle_hash(bundle: Path) -> str:
    """SHA-256 of the bundle's manifest, which holds the hash of every other file of it. Raises OSError."""
    return hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()
