"""The login page: one HTML form in both languages, without a script, and nothing to load but a font. Pure."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from aoi_daemon.hmi.access.guard import REPORTS
from aoi_daemon.hmi.access.roles import Denial

_STYLE: Final = """
@font-face{font-family:"AOI Sans SC";font-weight:400 700;src:url(/static/fonts/sans-sc-400.woff2) format("woff2");
unicode-range:U+2E80-FFEF}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#d9dadb;color:#1d2124;
font:18px/1.4 "AOI Sans SC",system-ui,"Noto Sans",sans-serif}
form{width:min(26rem,94vw);padding:2rem;background:#eff0f1;border:1px solid #a9adb0;border-radius:6px}
h1{margin:0 0 1.25rem;font-size:1.3rem;overflow-wrap:anywhere}
label{display:block;margin:1rem 0 .3rem}
input{width:100%;min-height:3.4rem;padding:.5rem .8rem;font:inherit;border:1px solid #6b7176;border-radius:4px;
background:#fff;color:inherit}
button{width:100%;min-height:3.8rem;margin-top:1.6rem;font:inherit;font-weight:600;border:0;border-radius:4px;
background:#2b3a47;color:#fff}
input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid #1463c4;outline-offset:2px}
.error{margin:0 0 1rem;padding:.8rem 1rem;background:#fff;border:2px solid #b3261e;border-radius:4px}
a{display:block;margin-top:1.2rem;padding:.8rem 0;color:inherit;text-align:center}
@media(prefers-color-scheme:dark){body{background:#1d2124;color:#e7e8e9}form{background:#2a2f33;border-color:#555b60}
input{background:#1d2124;border-color:#8b9196}button{background:#c9d3dc;color:#1d2124}.error{background:#1d2124}}
"""

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
) -> str:  # fmt: skip
    """The page as HTML; `language` comes first, `after` is where a login leads, `denial` why the last one failed."""
    first, second = (_TEXTS[key] for key in sorted(_TEXTS, key=lambda key: key != language))

    def both(key: str | Denial) -> str:
        return escape(f"{first[key]} / {second[key]}")

    said: str | Denial | None = "nobody" if no_users else denial
    notice = ""
    if said is not None:
        lines = "<br>".join(escape(texts[said].format(wait=max(1, round(wait_s)))) for texts in (first, second))
        notice = f'<p class="error" role="alert">{lines}</p>'
    back = f'<a href="/">{both("back")}</a>' if may_look else ""
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{both('title')} – {escape(line)}</title><style>{_STYLE}</style></head><body>"
        f'<form method="post" action="/login"><h1>{escape(line)}</h1>{notice}'
        f'<input type="hidden" name="next" value="{escape(after)}">'
        f'<label for="name">{both("name")}</label>'
        '<input id="name" name="name" autocomplete="username" autocapitalize="none" maxlength="64" required autofocus>'
        f'<label for="password">{both("password")}</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required>'
        f'<button type="submit">{both("button")}</button>{back}</form></body></html>'
    )


def local_path(text: str) -> str:
    """`text` when it is a path of this site, else `/`: a link to the login leads nowhere else."""
    # Browsers take a backslash for a slash, and drop control characters, before they look at it.
    fine = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if fine and len(text) <= 256 else "/"
