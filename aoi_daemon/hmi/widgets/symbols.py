"""Signs drawn in the text's colour: no icon font to wait for, and never colour alone.

Alarm signs follow ISA-18.2: one shape for each priority, its rank written in it.
"""

from __future__ import annotations

from typing import Final

_STROKED: Final = {
    "check": '<path d="M4 12.5 L10 18.5 L20 6.5"/>',
    "cross": '<path d="M5.5 5.5 L18.5 18.5 M18.5 5.5 L5.5 18.5"/>',
    "question": '<path d="M8 8.5 a4 4 0 1 1 5.5 3.7 c-1.1.5-1.5 1.2-1.5 2.6"/><path d="M12 18.8 v.4"/>',
    "play": '<path d="M8 5 L19 12 L8 19 Z"/>',
    "pause": '<path d="M8.5 5 V19 M15.5 5 V19"/>',
    "wait": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7 V12 L15.5 14"/>',
    "main": '<rect x="3.5" y="5" width="17" height="11"/><path d="M9 20 h6 M12 16 v4 M8 10.5 l3 3 5-5"/>',
    "rejects": '<rect x="3.5" y="4.5" width="17" height="15"/><path d="M9 9 l6 6 M15 9 l-6 6"/>',
    "alarms": '<path d="M12 4 L21.5 20 H2.5 Z"/><path d="M12 10 v4.5 M12 17 v.4"/>',
    "report": '<path d="M5 3.5 h10 l4 4 V20.5 H5 Z"/><path d="M9 17 v-4 M12 17 v-7 M15 17 v-2.5"/>',
    "recipe": '<path d="M4 7 h9 M17 7 h3 M4 12 h3 M11 12 h9 M4 17 h9 M17 17 h3"/><circle cx="15" cy="7" r="2"/>'
    '<circle cx="9" cy="12" r="2"/><circle cx="15" cy="17" r="2"/>',
    "commissioning": '<path d="M4 20 V13 h4 v7 M10 20 V4 h4 v16 M16 20 v-9 h4 v9 M2.5 20 h19"/>',
    "help": '<circle cx="12" cy="12" r="9"/><path d="M9.2 9.6 a2.9 2.9 0 1 1 3.9 2.7 c-.8.4-1.1.9-1.1 1.9"/>'
    '<path d="M12 17 v.4"/>',
    "more": '<path d="M5 12 h.1 M12 12 h.1 M19 12 h.1"/>',
    "user": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20 c1-5 4-6.5 7.5-6.5 s6.5 1.5 7.5 6.5"/>',
    "leave": '<path d="M13 4 H5 v16 h8 M10 12 h11 M17 8 l4 4 -4 4"/>',
    "night": '<path d="M19.5 14.5 A8.5 8.5 0 1 1 10 4.5 A7 7 0 0 0 19.5 14.5 Z"/>',
    "plus": '<path d="M12 5 V19 M5 12 H19"/>',
    "minus": '<path d="M5 12 H19"/>',
    "fit": '<path d="M4 9 V4 H9 M15 4 h5 v5 M20 15 v5 h-5 M9 20 H4 v-5"/>',
    "print": '<path d="M7 9 V4 h10 v5 M7 17 H4 V9 h16 v8 h-3"/><rect x="7" y="14" width="10" height="6"/>',
    "download": '<path d="M12 4 v11 M7 11 l5 5 5-5 M4 20 h16"/>',
    "hand": '<path d="M8 13 V5.5 a1.5 1.5 0 0 1 3 0 V11 V4.5 a1.5 1.5 0 0 1 3 0 V11 V6 a1.5 1.5 0 0 1 3 0 v8'
    ' c0 4-2 6.5-5.5 6.5 S7 18.5 4.5 14 c1-1.2 2.3-.8 3.5 1"/>',
}  # fmt: skip

_RANKED: Final = {
    "high": ('<rect x="2.5" y="2.5" width="19" height="19"/>', "1", 17),
    "medium": ('<path d="M12 1.5 L23 21.5 H1 Z"/>', "2", 19),
    "low": ('<path d="M1 2.5 H23 L12 22.5 Z"/>', "3", 14),
}


def sign(name: str) -> str:
    """The sign `name` as inline SVG, one em square; it says nothing to a screen reader, the word beside it does.

    Raises:
        KeyError: there is no such sign.
    """
    return (
        '<svg class="sign" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4"'
        f' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{_STROKED[name]}</svg>'
    )


def priority_sign(priority: str) -> str:
    """The sign of an alarm of `priority` (HIGH, MEDIUM or LOW): square 1, triangle 2, inverted triangle 3."""
    name = priority.lower()
    shape, rank, baseline = _RANKED[name]
    return (
        f'<svg class="sign rank {name}" viewBox="0 0 24 24" aria-hidden="true">{shape}'
        f'<text x="12" y="{baseline}" text-anchor="middle">{rank}</text></svg>'
    )
