"""The line's configuration: what each key means, its bounds, and how it reloads.

Frozen and bounded: a model that exists is right. `config/load.py` reads files
into it and words the errors; the reference in config/README.md is generated from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, Strict, field_validator, model_validator

from aoi_daemon.config import timing
from aoi_daemon.config.cameras import Camera, CameraSection
from aoi_daemon.config.checks.poll import check_poll
from aoi_daemon.config.hmi import HmiSection
from aoi_daemon.config.host import Peer
from aoi_daemon.config.notices import NoticesSection
from aoi_daemon.config.precision import Precision
from aoi_daemon.config.publisher import PublisherSection, check_line
from aoi_daemon.config.recorder import RecorderSection
from aoi_daemon.config.section import FilePath, Name, Reload, Section

DeviceNumber = Annotated[int, Field(ge=0, le=15)]
DeviceName = Annotated[str, Field(pattern=r"^(cpu|gpu|npu)(\.[0-9])?$")]


class LineSection(Section):
    """The line and its clock."""

    reload: ClassVar[Reload] = Reload.NEVER

    name: Name = Field("line-1", description="Shown on the page and in each record.")
    takt_ms: float = Field(50.0, ge=1, le=60_000, description="Time from part to part.")
    deadline_ms: float = Field(
        50.0, ge=1, le=60_000,
        description="The PLC has the verdict this long after the trigger stamp (after the frame where the camera gives none). At most takt_ms; a PLC sees it only with its next scan, so leave a scan between them.",
    )  # fmt: skip
    recipe: Name = Field(
        "demo",
        description="The product at the first start, and at the next start after this key was changed: recipes/NAME.toml beside this file. From then on the product in use is kept over reloads and restarts until a changeover.",
    )


_LEAST_SLOTS: Final = 3
_MOST_SLOTS: Final = 256
_MIB: Final = 1 << 20


class RingSection(Section):
    """The frame ring between acquire and inspection: how many frames of each camera are kept; one that is older is rejected."""

    slots: int | None = Field(
        None, ge=_LEAST_SLOTS, le=_MOST_SLOTS, description="So many; absent: 8, or as many as `max_mib` holds."
    )
    max_mib: int | None = Field(
        None, ge=1, le=1 << 20,
        description="Instead of `slots`: as many as fit into so much memory (MiB) for each camera, 3 to 256. `check-config` says how many.",
    )  # fmt: skip

    def slots_of(self, camera: CameraSection) -> int:
        """Frames of `camera` that its ring holds; below 3: `max_mib` is too little."""
        if self.max_mib is None:
            return self.slots or 8
        return min(_MOST_SLOTS, self.max_mib * _MIB // camera.slot_bytes)

    def problems(self, cameras: Sequence[CameraSection]) -> list[str]:
        """What does not fit together."""
        if self.max_mib is None:
            return []
        if self.slots is not None:
            return [f"ring.slots ({self.slots}) and ring.max_mib ({self.max_mib}) say the same: leave one out"]
        return [
            f"ring.max_mib ({self.max_mib}) holds {self.slots_of(camera)} frames of camera {camera.name} "
            f"({camera.max_width_px} x {camera.max_height_px} px, {camera.slot_bytes / _MIB:.1f} MiB each), and a ring "
            f"needs {_LEAST_SLOTS}: at least {-(-_LEAST_SLOTS * camera.slot_bytes // _MIB)}"
            for camera in cameras
            if self.slots_of(camera) < _LEAST_SLOTS
        ]


class InspectionSection(Section):
    """The executor."""

    reload: ClassVar[Reload] = Reload.INSPECTION

    backend: Literal["auto", "onnx", "openvino", "tensorrt"] = Field(
        "onnx", description="`onnx`: ONNX Runtime on the CPU. `openvino`: OpenVINO, on the CPU or an Intel GPU or NPU. `tensorrt`: an NVIDIA GPU. `auto`: whichever of them is there, holds the golden parts and was measured as fastest at the start."
    )
    precision: Literal["auto", Precision] = Field(
        "fp32", description="Which of the bundle's models runs. `auto`, with the back end `auto`: any that the bundle's qualification took."
    )
    threads: int = Field(2, ge=1, le=64, description="Threads of a CPU back end, in each lane; with `lanes = \"auto\"` of all lanes together.")
    lanes: Literal["auto", 1, 2, 3, 4, 5, 6, 7, 8] = Field(
        1,
        description="Processes that judge views side by side, at most one for each camera: camera number n (from 0) is judged by lane n modulo lanes. A GPU has one. Worth it where the cores are many, with fewer threads each. `auto`: as many as were measured as quickest at the start, on a CPU with several cameras; they share `threads`.",
    )  # fmt: skip
    device: DeviceNumber | DeviceName | None = Field(
        None, description="`tensorrt`: number of the GPU, 0 to 15; absent: 0. `openvino`: `cpu`, `gpu`, `npu`, or one of several as `gpu.1`; absent: `cpu`."
    )
    wait: Literal["block", "spin"] = Field(
        "block", description="`tensorrt`: how the end of a run is waited for. `spin` burns a core and is a little faster and more even."
    )
    cuda_graph: bool = Field(True, description="`tensorrt`: launch a part as one CUDA graph where the runtime can.")
    warm_up_runs: int = Field(10, ge=1, le=10_000, description="Runs before READY.")

    @field_validator("lanes", mode="before")
    @classmethod
    def _is_a_number_or_auto(cls, value: object) -> object:
        """A literal takes what equals it, as `true` does 1."""
        if type(value) is not int and value != "auto":
            raise ValueError(f'{value!r}: give a number from 1 to 8, or "auto", which measures at the start')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> InspectionSection:
        if self.lanes != "auto" and self.lanes > 1 and self.backend == "tensorrt":
            raise ValueError(f"lanes = {self.lanes}: a GPU has one lane; leave it out with backend = 'tensorrt'")
        if self.precision == "auto" and self.backend != "auto":
            raise ValueError(f"precision = 'auto' needs backend = 'auto'; name the one that {self.backend} is to run")
        if self.precision == "bf16" and self.backend in ("onnx", "tensorrt"):
            raise ValueError(f"precision = 'bf16': {self.backend} does not run it; backend = 'openvino' does, on a CPU that has it")
        if self.device is not None and not self._is_of_its_kind(self.device):
            what = "the number of a GPU" if self.backend == "tensorrt" else "cpu, gpu, npu, or one of several as gpu.1"
            takes = "runs on the CPU alone; take device out" if self.backend == "onnx" else f"takes {what}"
            raise ValueError(f"device = {self.device!r}: {self.backend} {takes}")
        return self

    def _is_of_its_kind(self, device: int | str) -> bool:
        if self.backend == "onnx":
            return device == "cpu" or isinstance(device, int)  # a number was let pass before there were names
        return self.backend == "auto" or isinstance(device, int) is (self.backend == "tensorrt")

    @property
    def gpu(self) -> int:
        """Number of the GPU that TensorRT runs on."""
        return self.device if isinstance(self.device, int) else 0

    @property
    def reference(self) -> InspectionSection:
        """What `auto` starts from and falls back to, by its names; itself where the back end is named."""
        if self.backend != "auto":
            return self
        precision = "fp32" if self.precision == "auto" else self.precision
        backend = "openvino" if precision == "bf16" else "onnx"
        return self.model_copy(update={"backend": backend, "precision": precision, "device": None})


class RegisterSection(Section):
    """The optional register profile: one FC16 write before each verdict's coils."""

    reload: ClassVar[Reload] = Reload.PLC

    base: int = Field(ge=0, le=65_000, description="Address of the map version, 0-based.")


class PollSection(Section):
    """What is read from the PLC: one FC03 read of 8 registers."""

    reload: ClassVar[Reload] = Reload.PLC

    base: int = Field(ge=0, le=65_000, description="Address of the status word, 0-based.")
    period_ms: float = Field(20.0, ge=1, le=10_000, description="Time between two reads.")
    ack_behind: int = Field(
        8, ge=1, le=200,
        description="More verdicts than this that the PLC's program has not taken (`result_ack`): OVERRUN and the alarm PLC_BEHIND.",
    )  # fmt: skip
    watch_ms: float | None = Field(
        None, ge=10, le=60_000,
        description="The PLC's HEARTBEAT bit has not changed for so long: READY=0 and the alarm PLC_FROZEN. The program that is handed out toggles it each 100 ms: poll at least as fast; absent: not watched.",
    )  # fmt: skip
    confirm_parts: int | None = Field(
        None, ge=1, le=100,
        description="A rejected part that the PLC has not confirmed as ejected when so many parts more have been at the gate: RUN_PERMIT=0 and the alarm REJECT_UNCONFIRMED, until a person resets; absent: not watched.",
    )  # fmt: skip


class PlcSection(Section):
    """The PLC link, Modbus/TCP."""

    reload: ClassVar[Reload] = Reload.PLC

    host: Peer = Field("127.0.0.1", description="Address or name of the PLC.")
    port: int = Field(502, ge=1, le=65_535, description="TCP port.")
    unit: int = Field(1, ge=0, le=255, description="Modbus unit (device) id.")
    coil_base: int = Field(0, ge=0, le=65_520, description="Address of the coil PASS, 0-based.")
    timeout_ms: float = Field(20.0, ge=1, le=10_000, description="No answer for so long: the connection is reset. A verdict is reset at its deadline. At least answer_ms.")
    answer_ms: float = Field(
        5.0, ge=0, le=10_000,
        description="What the PLC needs to answer a request. A part must be judged so long before its deadline for each request of its verdict (coils 1, registers +1), and once more for another request that may be out; else it is a REJECT.",
    )  # fmt: skip
    heartbeat_ms: float = Field(100.0, ge=10, le=5000, description="Time between two toggles of HEARTBEAT.")
    stall_ms: float = Field(
        500.0, ge=50, le=60_000, description="A stage that has not moved for so long stops the heartbeat."
    )
    reconnect_min_ms: float = Field(50.0, ge=10, le=10_000, description="Wait after the first reconnect that failed; the first one comes at once.")
    reconnect_max_ms: float = Field(1000.0, ge=10, le=60_000, description="Longest wait between reconnects.")
    registers: RegisterSection | None = Field(None, description="The register profile; absent: coils alone.")
    poll: PollSection | None = Field(None, description="Reading from the PLC; absent: never.")


class RealtimeSection(Section):
    """Scheduling of the hot processes; what the system refuses is logged, not fatal."""

    fifo: bool = Field(True, description="Ask for SCHED_FIFO.")
    plc_priority: int = Field(50, ge=1, le=90, description="SCHED_FIFO priority of plc.")
    acquire_priority: int = Field(45, ge=1, le=90, description="SCHED_FIFO priority of acquire.")
    inspection_priority: int = Field(40, ge=1, le=90, description="SCHED_FIFO priority of inspection; given up after a time-out, tried again after 1, 2, 4 ... 60 s.")
    lock_memory: bool = Field(True, description="Ask for mlockall in the hot processes.")
    cpu_latency_us: int | None = Field(
        None, ge=0, le=10_000,
        description="No core sleeps so deeply that it takes longer to wake, while the daemon runs; 0: none sleeps. Costs power and heat.",
    )  # fmt: skip
    spin_us: int = Field(
        0, ge=0, le=2000,
        description="plc stays awake for so long before it sleeps: for the judgement of a part, and for the PLC's answer. With a core to spare it saves two wake-ups a part.",
    )  # fmt: skip


class SupervisorSection(Section):
    """Restart budget and the control socket."""

    restarts: int = Field(10, ge=0, le=1000, description="Restarts of stages allowed within the window; more: FAULTED.")
    window_s: float = Field(60.0, ge=1, le=86_400, description="The restart window.")
    hang_ms: float = Field(
        2000.0, ge=100, le=60_000,
        description="An inspection or plc stage that has not moved for so long is killed and started again.",
    )  # fmt: skip
    start_s: float = Field(60.0, ge=1, le=3600, description="A stage that is not ready after so long is killed.")
    socket: FilePath | None = Field(
        None, description="Control socket. Default: by the line's name in $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR, else /tmp."
    )
    state_folder: FilePath | None = Field(
        None, description="Where the product in use is kept. Default: $STATE_DIRECTORY, else beside the control socket."
    )


class LogSection(Section):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`auto`: coloured text on a terminal, else JSON lines with a journal priority."
    )


class LineConfig(Section):
    """`line.toml`."""

    line: LineSection = LineSection()
    cameras: Annotated[tuple[Camera, ...], Strict(False)] = Field(min_length=1, max_length=8)
    views_ms: float = Field(
        5.0, ge=0, le=1000, description="Several views: frames triggered within this time of the first are of one part."
    )
    ring: RingSection = RingSection()
    inspection: InspectionSection = InspectionSection()
    plc: PlcSection = PlcSection()
    realtime: RealtimeSection = RealtimeSection()
    supervisor: SupervisorSection = SupervisorSection()
    log: LogSection = LogSection()
    recorder: RecorderSection | None = Field(None, description="Keeping records; absent: none are kept.")
    hmi: HmiSection | None = Field(None, description="The operator's page, metrics and health; absent: none.")
    publisher: PublisherSection | None = Field(None, description="Results to an MQTT broker; absent: none.")
    notices: NoticesSection | None = Field(None, description="Alarms to people by mail or webhook; absent: none.")

    @model_validator(mode="after")
    def _times_fit(self) -> LineConfig:
        plc = self.plc
        late_ms = max(camera.sensor_to_frame_ms for camera in self.cameras)
        if wrong := list(timing.problems(self.line, plc, self.supervisor, late_ms)):
            raise ValueError("; ".join(wrong))
        names = [camera.name for camera in self.cameras]
        if len(set(names)) < len(names):
            raise ValueError(f"cameras.name: {names} are not all different")
        lanes = self.inspection.lanes
        if lanes != "auto" and lanes > len(self.cameras):
            raise ValueError(
                f"inspection.lanes ({lanes}) is more than there are cameras ({len(self.cameras)}): a lane "
                "without a camera would have nothing to judge"
            )
        if wrong := self.ring.problems(self.cameras):
            raise ValueError("; ".join(wrong))
        if self.recorder is None and (watched := next((c for c in self.cameras if c.is_watched), None)) is not None:
            raise ValueError(
                f"cameras.calibration.watch: the recorder looks for the target of camera {watched.name!r}, and there is none; "
                "add [recorder], or take watch out"
            )
        if self.publisher is not None:
            check_line(self.publisher, self.line.takt_ms, recorded=self.recorder is not None)
        if plc.poll is not None:
            scan_ms = timing.scan_ms(self.line, plc)
            check_poll(plc.poll, answer_ms=plc.answer_ms, takt_ms=self.line.takt_ms, scan_ms=scan_ms)
        if any(c.kind == "replay" and c.pace == "plc" for c in self.cameras) and plc.poll is None:
            raise ValueError('cameras.pace = "plc" needs [plc.poll]: the trigger is read from the PLC')
        for camera in self.cameras:
            if camera.kind == "replay" and camera.fov_from == "count" and camera.fovs is not None:
                # Its triggers are as far apart as they can be: by nothing else are those of a part known.
                last_ms = self.line.takt_ms * (camera.fovs - 1) / camera.fovs
                if self.views_ms < last_ms:
                    raise ValueError(
                        f"views_ms = {self.views_ms:g}: camera {camera.name!r} takes the last of {camera.fovs} pictures of a "
                        f"part {last_ms:g} ms after the first; raise views_ms to more than that"
                    )
            if camera.kind == "genicam" and camera.trigger_within_ms is not None:
                _check_trigger_numbers(camera.trigger_within_ms, camera.fovs or 1, self)
        return self


def _check_trigger_numbers(within_ms: float, triggers: int, line: LineConfig) -> None:
    """Refuse times at which it would never be certain which of a part's `triggers` a frame belongs to."""
    poll, half_ms = line.plc.poll, line.line.takt_ms / triggers / 2
    if poll is None:
        raise ValueError("cameras.trigger_within_ms needs [plc.poll]: the trigger's number is read from the PLC")
    if within_ms + poll.period_ms + line.plc.answer_ms > half_ms:
        raise ValueError(
            f"cameras.trigger_within_ms ({within_ms:g}) with plc.poll.period_ms ({poll.period_ms:g}) and plc.answer_ms "
            f"({line.plc.answer_ms:g}) is more than half of line.takt_ms{f' / {triggers} fovs' if triggers > 1 else ''} "
            f"({half_ms:g}): a frame's trigger would never be "
            "certain; read the PLC more often, or leave trigger_within_ms out"
        )
