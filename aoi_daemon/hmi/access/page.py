"""The login page: one HTML form in both languages, without a script, and nothing to load but a font. Pure."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from markupsafe import Markup

from aoi_daemon.hmi.access.guard import REPORTS
from aoi_daemon.hmi.access.roles import Denial
from aoi_daemon.markup.templates import render

_STYLE: Final = render("aoi_daemon.hmi", "login.css")
"""In the page itself, allowed by its hash: who may not look yet may load nothing but the font."""

POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    f"font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; report-uri {REPORTS}"
)
"""The page's Content-Security-Policy: its own style, the site's font, and nothing else."""

_TEXTS: Final = {
    "en": {
        "title": "Log in", "name": "User name", "password": "Password", "button": "Log in",
        "back": "Look without a login",
        Denial.CREDENTIALS: "Wrong user name or password.",
        Denial.TOO_OFTEN: "Too many tries. Try again in {wait} s.",
        Denial.STATE: "Nobody can log in now. Maintenance: read the log for the cause.",
        Denial.INPUT: "Give a user name and a password.",
        "nobody": "There is no user yet. On the line PC: aoi-daemon user add NAME --role ROLE",
    },
    "zh": {
        "title": "登录", "name": "用户名", "password": "密码", "button": "登录",
        "back": "不登录查看",
        Denial.CREDENTIALS: "用户名或密码错误。",
        Denial.TOO_OFTEN: "尝试次数过多，请在 {wait} 秒后重试。",
        Denial.STATE: "目前无法登录。请维护人员查看日志。",
        Denial.INPUT: "请输入用户名和密码。",
        "nobody": "尚无用户。请在产线电脑上运行：aoi-daemon user add NAME --role ROLE",
    },
}  # fmt: skip


def login_page(
    line: str, language: str, *, after: str = "/", denial: Denial | None = None, wait_s: float = 0.0,
    may_look: bool = True, no_users: bool = False,
) -> Markup:  # fmt: skip
    """The page as HTML; `language` comes first, `after` is where a login leads, `denial` why the last one failed."""
    both = tuple(_TEXTS[key] for key in sorted(_TEXTS, key=lambda key: key != language))
    said: str | Denial | None = "nobody" if no_users else denial
    errors = [] if said is None else [texts[said].format(wait=max(1, round(wait_s))) for texts in both]
    return render(
        "aoi_daemon.hmi", "login.html", line=line, language=language, both=both, style=_STYLE, errors=errors,
        after=after, may_look=may_look,
    )  # fmt: skip


def local_path(text: str) -> str:
    """`text` when it is a path of this site, else `/`: a link to the login leads nowhere else."""
    # Browsers take a backslash for a slash, and drop control characters, before they look at it.
    fine = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if fine and len(text) <= 256 else "/"
