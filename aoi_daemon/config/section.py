"""What every table of a configuration file has in common."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, Strict

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
FilePath = Annotated[Path, Strict(False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Reload(enum.Enum):
    """When a changed section takes effect after `aoi-daemon reload`."""

    BETWEEN_PARTS = "between two parts"
    ACQUIRE = "restarts acquire"
    INSPECTION = "a second inspection proves itself with it, then takes the line"
    PLC = "restarts plc"
    OFF_PATH = "restarts that process alone; the line does not notice"
    NEVER = "needs a restart of the service"


class Section(BaseModel):
    """A table of the file: frozen, no unknown key, no silent conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    reload: ClassVar[Reload] = Reload.NEVER
