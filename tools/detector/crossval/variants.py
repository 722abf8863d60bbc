"""Ways to train, by name: what a run does otherwise than the trainer's defaults."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.loss import Aim
from tools.detector.plan import Plan


class Learn(str, enum.Enum):
    """Which boards a run learns from."""

    SCANS = "scans"
    GENERATED = "generated"
    BOTH = "both"


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        start: begin with the trained detector that was named.
        learn: without scans, all scans are the test.
        numbers: changes of the plan and of its aim.
    """

    name: str
    start: bool = False
    learn: Learn = Learn.SCANS
    numbers: dict[str, float] = field(default_factory=dict)

    def plan(self, plan: Plan) -> Plan:
        """The plan of this variant."""
        aim = {key: value for key, value in self.numbers.items() if key in AIM}
        rest = {key: value for key, value in self.numbers.items() if key not in AIM}
        return replace(plan, aim=replace(plan.aim, **aim), **rest)  # type: ignore[arg-type]  # all are floats


AIM = frozenset(Aim.__dataclass_fields__)
NUMBERS = AIM | {"rate", "decay", "scale", "generated_share"}


def parse(text: str) -> Variant:
    """Read `NAME` or `NAME:WORD,...`, a word being `start`, `learn=generated` or a number as `rate=0.001`.

    Raises:
        BoardsError: a word that is none of these.
    """
    name, _, words = text.partition(":")
    if not name or not name.replace("-", "").replace("_", "").isalnum():
        raise BoardsError(f"variant: {text!r} has no name of letters, digits, - and _ before its colon")
    variant = Variant(name)
    for word in filter(None, words.split(",")):
        key, equals, value = word.partition("=")
        if word == "start":
            variant = replace(variant, start=True)
        elif key == "learn" and value in {kind.value for kind in Learn}:
            variant = replace(variant, learn=Learn(value))
        elif key in NUMBERS and equals:
            variant = replace(variant, numbers={**variant.numbers, key: _number(name, word, value)})
        else:
            allowed = ", ".join(f"{key}=N" for key in sorted(NUMBERS))
            raise BoardsError(
                f"variant {name}: {word!r}; allowed are start, learn=scans, learn=generated, learn=both, {allowed}"
            )
    return variant


def _number(name: str, word: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < 1000.0:
        raise BoardsError(f"variant {name}: {word!r} is no number from 0 to 1000")
    return number
