"""The cameras of a line: what every kind has, replayed images, and GenICam through a vendor's producer."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import Field, Strict, model_validator

from aoi_daemon.config.host import HostPort
from aoi_daemon.config.lens import Lens
from aoi_daemon.config.section import FilePath, Name, Reload, Section


class CameraSection(Section):
    """What every kind of camera has."""

    reload: ClassVar[Reload] = Reload.ACQUIRE
    has_templates: ClassVar[bool] = False
    """Whether its frames may bring a template of their own."""

    name: Name = Field("camera-1", description="Shown in logs and alarms.")
    max_width_px: int = Field(640, ge=16, le=16_384, description="Widest frame; sizes the ring.")
    max_height_px: int = Field(640, ge=16, le=16_384, description="Highest frame; sizes the ring.")
    channels: Literal[1, 3] = Field(1, description="1: mono, as the model sees it. 3: BGR.")
    fov: int | None = Field(
        None, ge=0, le=65_535,
        description="The field of view that every frame of this camera shows. Absent: 0 with one camera; with several it is 0 for each, and a recipe's views name the camera.",
    )  # fmt: skip
    fov_from: Literal["count", "trigger_id"] | None = Field(
        None,
        description="How the fields of view of a camera that takes several of each part, one after the other, are told apart. `count`: by the order of the frames within a part. `trigger_id`: by the PLC's number of the trigger, the first of the first part being 1. Needs fovs; not together with fov.",
    )  # fmt: skip
    fovs: int | None = Field(
        None, ge=2, le=64, description="How many fields of view it takes of each part, 0 to this less 1; with fov_from."
    )
    silence_ms: float = Field(
        1000.0, ge=0, le=3_600_000,
        description="No frame for so long while the line runs: the camera is lost. 0: never (a line that may pause with no PLC poll to tell).",
    )  # fmt: skip
    sensor_to_frame_ms: float = Field(
        0.0, ge=0, le=60_000,
        description="From the part sensor that the PLC counts the deadline from to the frame's time, at most: exposure, readout and transfer, also where the camera stamps its frames (its clock is told from their arrival). Taken off the deadline.",
    )  # fmt: skip
    open_s: float = Field(
        30.0,
        ge=1,
        le=600,
        description="A camera whose driver does not come back for so long: acquire is killed and started again.",
    )
    calibration: Lens | None = Field(
        None, description="What was measured of its optics; absent: sizes are told in px alone."
    )
    reopen_min_ms: float = Field(200.0, ge=10, le=60_000, description="First wait before a re-open.")
    reopen_max_ms: float = Field(5000.0, ge=10, le=600_000, description="Longest wait between re-opens.")

    @property
    def told_fovs(self) -> tuple[int, ...] | None:
        """The fields of view that its frames have; None: they tell it themselves, and it is not known before."""
        return (self.fov or 0,) if self.fovs is None else tuple(range(self.fovs))

    @property
    def is_watched(self) -> bool:
        """Whether a target stays in view that is looked for."""
        return self.calibration is not None and self.calibration.watch is not None

    @model_validator(mode="after")
    def _one_way_to_tell_fovs(self) -> CameraSection:
        if (self.fov_from is None) is not (self.fovs is None):
            raise ValueError("fov_from and fovs go together: how fields of view are told apart, and how many there are")
        if self.fov_from is not None and self.fov is not None:
            raise ValueError("fov and fov_from: give one; fov is that of a camera which has one alone")
        return self

    @property
    def slot_bytes(self) -> int:
        """Of its largest frame in the ring, and its template where frames bring one; pages are not counted."""
        return self.max_width_px * self.max_height_px * self.channels * (2 if self.has_templates else 1)


class ReplayCamera(CameraSection):
    """Images of a folder, or a video, in place of a camera."""

    has_templates: ClassVar[bool] = True

    kind: Literal["replay"] = Field(description="`replay`: images from disk.")
    source: FilePath = Field(description="A folder of images or of NAME_test / NAME_temp pairs, or a video file.")
    bits: int | None = Field(
        None, ge=9, le=16, description="How many bits of each sample count where the images have 16; absent: they have 8 or fewer."
    )
    pace: Literal["takt", "plc"] = Field("takt", description="Trigger: the line's takt, or the PLC's trigger toggle.")
    pixel_format: Literal["Mono8", "BGR8", "BayerRG8", "BayerGB8", "BayerGR8", "BayerBG8"] = Field(
        "Mono8", description="How the replayed camera hands its pixels over; absent with `channels = 3`: BGR8."
    )
    loop: bool = Field(True, description="Start again after the last image; false: fall silent.")
    wait_ready: bool = Field(True, description="The first part comes once the line is READY.")
    parts: int = Field(0, ge=0, le=10**9, description="Fall silent after so many parts; 0: no end.")
    preload: int = Field(
        256, ge=1, le=100_000, description="Images decoded before READY and kept; more are decoded ahead."
    )
    photo_eye: HostPort | None = Field(
        None, description="HOST:PORT of a PLC simulator: stands in for the wire from the part sensor to the PLC."
    )

    @model_validator(mode="before")
    @classmethod
    def _keeps_colours(cls, said: Any) -> Any:
        # A model that tells red from blue would be shown three times the gray, and pass what it should find.
        return {"pixel_format": "BGR8", **said} if isinstance(said, dict) and said.get("channels") == 3 else said

    @model_validator(mode="after")
    def _triggers_are_numbered(self) -> ReplayCamera:
        if self.fov_from == "trigger_id" and self.pace != "plc":
            raise ValueError('fov_from = "trigger_id" needs pace = "plc": the takt numbers no triggers')
        return self


DeviceWord = Annotated[str, Field(min_length=1, max_length=256, pattern=r"[^\s\x00]")]


class NodeSetting(Section):
    """One camera node and the value it must have."""

    reload: ClassVar[Reload] = Reload.ACQUIRE

    node: Annotated[str, Field(min_length=1, max_length=128)] = Field(description="SFNC or vendor name.")
    value: Union[bool, int, float, str] = Field(description="Written, then read back.")  # noqa: UP007
    tolerance_percent: float = Field(
        1.0, ge=0, le=50,
        description="So far the camera may round a number with a fraction (an exposure), or by one of the node's steps; what was asked and what it made of it is logged. Whole numbers must be kept.",
    )  # fmt: skip


class GenicamCamera(CameraSection):
    """A GenICam camera through a vendor's GenTL producer."""

    kind: Literal["genicam"] = Field(description="`genicam`: any GenTL producer.")
    producer: FilePath = Field(description="The vendor's .cti file.")
    serial: DeviceWord | None = Field(None, description="Choose the device by serial number.")
    device_id: DeviceWord | None = Field(None, description="Choose the device by the id that the producer gives it.")
    model: DeviceWord | None = Field(None, description="Choose the device by model.")
    user_name: DeviceWord | None = Field(None, description="Choose the device by its user-defined name.")
    index: int | None = Field(
        None, ge=0, le=255,
        description="Number, from 0, of the device (with `model`: among those of that model) in the order of their ids. Another camera plugged in may move it: prefer a serial.",
    )  # fmt: skip
    fov_chunk: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None,
        description="Chunk node that holds a frame's field of view (a user-set sequence, a counter); needs ChunkModeActive. A frame without it is INCOMPLETE. Not together with fov.",
    )
    fov_pause_ms: float | None = Field(
        None, gt=0, le=60_000,
        description="`fov_from = \"count\"`: the first frame after so long without one is the first of a part. Longer than from frame to frame of a part, shorter than the pause between two parts.",
    )  # fmt: skip
    buffers: int = Field(8, ge=2, le=256, description="Buffers given to the producer.")
    trigger_within_ms: float | None = Field(
        None, gt=0, le=10_000,
        description="Most time between a frame and the moment at which the PLC's registers show its trigger, either way: frames then have the PLC's trigger number where it is certain. Absent: it is never known. Needs [plc.poll].",
    )  # fmt: skip
    settings: Annotated[tuple[NodeSetting, ...], Strict(False)] = Field(
        (), description="Applied in order at each open, each read back."
    )

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> GenicamCamera:
        named = (self.serial, self.device_id, self.model, self.user_name)
        if sum(key is not None for key in named) > 1:
            raise ValueError("name the device by one of serial, device_id, model and user_name, not by several")
        if self.index is not None and any(key is not None for key in (self.serial, self.device_id, self.user_name)):
            raise ValueError("index goes with model or stands alone: serial, device_id and user_name name one device")
        if self.fov is not None and self.fov_chunk is not None:
            raise ValueError("fov and fov_chunk: give one, the other would never be used")
        if self.fov_chunk is not None and self.fov_from is not None:
            raise ValueError("fov_from and fov_chunk: give one, the other would never be used")
        if (self.fov_from == "count") is not (self.fov_pause_ms is not None):
            raise ValueError(
                'fov_from = "count" and fov_pause_ms go together: by the pause before it the first frame of a part is told'
            )
        if self.fov_from == "trigger_id" and self.trigger_within_ms is None:
            raise ValueError('fov_from = "trigger_id" needs trigger_within_ms: without it no trigger\'s number is known')
        return self

    @property
    def told_fovs(self) -> tuple[int, ...] | None:
        """See `CameraSection`."""
        return None if self.fov_chunk is not None else super().told_fovs


Camera = Annotated[Union[ReplayCamera, GenicamCamera], Field(discriminator="kind")]  # noqa: UP007
