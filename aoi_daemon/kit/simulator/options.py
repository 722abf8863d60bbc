"""How the simulated PLC is set up: one table for the command line, its help and its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from aoi_daemon.config.schema import PlcSection
from aoi_daemon.plcmap.coils import COILS
from aoi_daemon.plcmap.program import Variant, patience_ms
from aoi_daemon.plcmap.registers import POLL_WORDS, REPORT_WORDS

_ADDRESSES = 0x10000
_PATIENCE_MS = float(patience_ms(PlcSection()))
"""That of the program that `plc-program` makes for a line which says nothing else."""


def _option(default: float, least: float, most: float, meaning: str) -> Any:  # as dataclasses.field
    return field(default=default, metadata={"least": least, "most": most, "meaning": meaning})


@dataclass(frozen=True)
class Options:
    """Times in ms, addresses 0-based. Values out of bounds raise ValueError at construction."""

    port: int = _option(5020, 0, 65_535, "TCP port of the Modbus server; 0: any that is free")
    photo_eye_port: int = _option(0, 0, 65_535, "UDP port of the photo-eye; 0: any that is free")
    scan_ms: float = _option(2.0, 0, 1000, "scan cycle; 0: each request is acted on as it comes")
    deadline_ms: float = _option(50.0, 1, 60_000, "a part's window; not longer than the takt")
    heartbeat_timeout_ms: float = _option(_PATIENCE_MS, 1, 60_000, "no toggle for so long: no PASS is accepted")
    trigger_ms: float = _option(0.0, 0, 60_000, "be the trigger source, with this period; 0: do not")
    coil_base: int = _option(0, 0, _ADDRESSES - COILS, "address of the coil PASS")
    register_base: int = _option(0, 0, _ADDRESSES - REPORT_WORDS, "address of the register profile")
    poll_base: int = _option(100, 0, _ADDRESSES - POLL_WORDS, "address of the poll block")
    keep: int = _option(20_000, 1, 10_000_000, "parts and events that the logs keep; counters keep all")
    priority: int = _option(60, 0, 90, "SCHED_FIFO priority, where allowed: a PLC is punctual; 0: none")
    host: str = field(default="127.0.0.1", metadata={"meaning": "address to listen on"})
    program: str = field(
        default=Variant.COILS.value,
        metadata={"meaning": f"what its program reads: {', '.join(one.value for one in Variant)}"},
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            value, bounds = getattr(self, option.name), option.metadata
            if option.name == "program" and value not in {one.value for one in Variant}:
                raise ValueError(f"--program is {value!r}, allowed is {', '.join(one.value for one in Variant)}")
            if "least" in bounds and not bounds["least"] <= value <= bounds["most"]:
                flag = option.name.replace("_", "-")
                raise ValueError(f"--{flag} is {value}, allowed is {bounds['least']} to {bounds['most']}")
        if 0 < self.scan_ms < 1:
            raise ValueError(f"--scan-ms is {self.scan_ms}, allowed is 0, and 1 to 1000")
        if -REPORT_WORDS < self.register_base - self.poll_base < POLL_WORDS:
            raise ValueError(
                f"--register-base ({REPORT_WORDS} registers from {self.register_base}) and "
                f"--poll-base ({POLL_WORDS} from {self.poll_base}) overlap"
            )
