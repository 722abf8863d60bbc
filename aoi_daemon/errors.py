"""The exception tree. An error names the fault, and says what the line does about it.

AoiError
+-- ConfigError            a file is wrong: nothing starts, nothing changes
+-- PictureError           a picture file is not read as it was meant: nothing takes it
+-- RingError
|   +-- FrameOverrunError  the producer lapped the reader: reject that part
|   +-- DoorbellFullError  a reader does not keep up: reject, count
+-- CameraError            the camera is lost: READY drops, re-open with back-off
|   +-- CameraSettingError a node was refused: READY stays down until the settings change
+-- InferenceError         the engine failed: reject the part, end the process
|   +-- InferenceTimeoutError  the part's time ran out: reject that part
|   +-- ModelError         a model does not fit: nothing goes live
+-- PlcError               the link is reset: READY drops, reconnect with back-off
    +-- PlcTimeoutError    no answer within the budget
    +-- PlcAnswerError     an answer to another question
        +-- PlcRefusedError  an exception code, or another unit: a person must compare the addresses
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import ClassVar

from aoi_daemon.files.text import behind


class Action(enum.Enum):
    """What the line does about a fault."""

    REFUSE = "refuse"
    REJECT_PART = "reject the part"
    RESTART_STAGE = "restart the stage"
    REOPEN_CAMERA = "re-open the camera"
    RESET_LINK = "reset the PLC link"


class AoiError(Exception):
    """Base of all errors that this program raises on purpose."""

    action: ClassVar[Action] = Action.RESTART_STAGE


class ConfigError(AoiError):
    """A configuration file is missing or wrong. The message names file, key, value and bound.

    A problem that begins with `:LINE:` or `:LINE:COLUMN:` stands right behind the file's name, for editors.
    """

    action = Action.REFUSE

    def __init__(self, file: Path, problems: list[str]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join(behind(file, problem) for problem in problems))


class PictureError(AoiError):
    """A picture file is missing, damaged or of a kind that is not read. Names the file and what to do about it."""

    action = Action.REFUSE


class RingError(AoiError):
    """Shared memory was not what its reader expects."""


class FrameOverrunError(RingError):
    """The producer lapped the reader: that part was never judged."""

    action = Action.REJECT_PART

    def __init__(self, sequence: int, found: int) -> None:
        self.sequence = sequence
        super().__init__(f"frame {sequence} was overwritten by frame {found}")


class DoorbellFullError(RingError):
    """The reader of a doorbell is too far behind; the message was not sent."""

    action = Action.REJECT_PART


class CameraError(AoiError):
    """The camera is gone, or never came."""

    action = Action.REOPEN_CAMERA


class CameraSettingError(CameraError):
    """A node is unknown, or refused its value. Names node, value and the camera's range."""


class InferenceError(AoiError):
    """The engine failed."""


class InferenceTimeoutError(InferenceError):
    """The part's remaining time ran out inside the engine."""

    action = Action.REJECT_PART


class ModelError(InferenceError):
    """A model, a bundle or a plan does not fit this program, machine or recipe."""

    action = Action.REFUSE


class PlcError(AoiError):
    """The PLC link failed; the connection has been reset."""

    action = Action.RESET_LINK


class PlcTimeoutError(PlcError):
    """The PLC did not answer within the time-out."""


class PlcAnswerError(PlcError):
    """The PLC answered something other than the echo."""


class PlcRefusedError(PlcAnswerError):
    """The PLC refuses a request by an exception code, or another unit answers: it will do so again."""
