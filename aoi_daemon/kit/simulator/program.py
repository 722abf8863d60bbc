"""The PLC's program that the daemon hands out, running: what lets a part go here is the text itself.

Pure but for its state: time is passed in, CLOCK_MONOTONIC in ns. An event (a write, a part at a photo-eye, the
passing of time) is a scan of its own. As the programmer of a PLC would, this sets TRAVEL_MIN and TRAVEL_MAX: the
gate is `gate_ns` behind the trigger. POSITION is in microseconds: this belt never stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aoi_daemon.config.schema import LineSection, PlcSection, PollSection
from aoi_daemon.kit.simulator.structured_text import Program as StructuredText
from aoi_daemon.kit.simulator.structured_text import Ton
from aoi_daemon.plcmap.coils import Coil
from aoi_daemon.plcmap.program import Variant, as_structured_text
from aoi_daemon.plcmap.registers import POLL_FIELDS, REPORT_FIELDS

_TOLERANCE: Final = 0.4
"""Of the takt, either side of the true way from trigger to gate."""
_US: Final = 1000
_WRAP: Final = 1 << 32


class Program:
    """The program for `plc` and `line` in `variant`; `gate_ns` is from trigger to gate, None: the deadline.

    `patience_ns`: no toggle of the heartbeat for so long is a dead daemon; None: as the program has it. `polled`: the
    program has the side of the map that a daemon may read, whether `plc` says that it does or not.

    Raises:
        ValueError: `variant` needs registers, and `plc` has none.
    """

    def __init__(
        self,
        plc: PlcSection,
        line: LineSection,
        variant: Variant | str,
        *,
        gate_ns: int | None = None,
        patience_ns: int | None = None,
        polled: bool = True,
    ) -> None:
        if plc.poll is None and polled:  # a PLC has its own side of the map, whoever reads it
            plc = plc.model_copy(update={"poll": PollSection(base=0)})
        text = as_structured_text(plc, line, Variant(variant))
        if patience_ns is not None:
            head, _, rest = text.partition("PATIENCE := T#")
            text = f"{head}PATIENCE := T#{patience_ns / 1e6:f}ms{rest[rest.index('ms') + 2 :]}"
        program = StructuredText(text)
        self.text = program.text
        self._main, self.world = program.main, program.world
        self.track, self.watch = self._main.TRACK, self._main.WATCH
        gate_us = (int(line.deadline_ms * 1e6) if gate_ns is None else gate_ns) // _US
        slack_us = int(line.takt_ms * 1e3 * _TOLERANCE)
        self._main.TRAVEL_MIN, self._main.TRAVEL_MAX = max(0, gate_us - slack_us), gate_us + slack_us
        self._main.LINE_RUNNING = True
        self._report = [0] * sum(field.words for field in REPORT_FIELDS)
        self._started_ns: int | None = None

    @property
    def go(self) -> bool:
        """READY and a live heartbeat, as the program saw them in its last scan."""
        return bool(self.track.GO)

    @property
    def ready(self) -> bool:
        """READY, as the program read it in its last scan."""
        return bool(self._main.READY)

    @property
    def alive(self) -> bool:
        """The heartbeat toggles."""
        return bool(self.watch.ALIVE)

    @property
    def beat_timer(self) -> Ton:
        """The timer of the program's own heartbeat, where it is polled."""
        found: Ton = self._main.BEAT_TIMER
        return found

    @property
    def numbers(self) -> int:
        """The program's number of the trigger seen last. A PLC that is the source of the trigger sets it before."""
        return int(self._main.NUMBER)

    @numbers.setter
    def numbers(self, value: int) -> None:
        self._main.NUMBER = value

    def inputs(self, *, line_running: bool, alarm_reset: bool, bypass: bool) -> None:
        """The switches of the PLC's panel."""
        self._main.LINE_RUNNING, self._main.RESET_BUTTON, self._main.BYPASS_SWITCH = line_running, alarm_reset, bypass

    def scan(self, now_ns: int, *, trigger: bool, gate: bool) -> bool:
        """One scan with the photo-eyes as they are; what the ejector does from then on."""
        main = self._main
        main.SENSOR_TRIGGER, main.SENSOR_GATE = trigger, gate
        main.POSITION = now_ns // _US % _WRAP
        main.SENSOR_EJECTED = main.EJECTOR
        main.scan(now_ns)
        return bool(main.EJECTOR)

    @property
    def asks_to_stop(self) -> bool:
        """STOP_LINE: the daemon says, or is dead."""
        return bool(self._main.STOP_LINE)

    def tick(self, now_ns: int) -> None:
        """One scan in which nothing came."""
        main = self._main
        main.POSITION = now_ns // _US % _WRAP
        main.SENSOR_EJECTED = main.EJECTOR
        main.scan(now_ns)

    def write_coils(self, word: int, now_ns: int) -> None:
        """The 16 coils are `word` now."""
        self.put_coils(word)
        self._see(now_ns)

    def put_coils(self, word: int) -> None:
        """As `write_coils`, seen in the next scan."""
        world = self.world
        for coil in range(Coil.SEQ):
            setattr(world, _COIL_NAMES[coil], bool(word >> coil & 1))
        for bit in range(8):
            world.AOI_SEQ[bit] = bool(word >> Coil.SEQ + bit & 1)

    def write_registers(self, offset: int, values: Sequence[int], now_ns: int) -> None:
        """Registers of the report from `offset` on are `values` now; what is beyond its end is not kept."""
        self.put_registers(offset, values)
        self._see(now_ns)

    def put_registers(self, offset: int, values: Sequence[int]) -> None:
        """As `write_registers`, seen in the next scan."""
        report = self._report
        report[offset : offset + len(values)] = values[: max(0, len(report) - offset)]
        world = self.world
        for name, field, at, end in _REPORT:
            setattr(world, name, report[at] if end is None else field.decode(report[at:end]))

    def trigger(self, now_ns: int) -> None:
        """A part is in front of the camera."""
        self._main.SENSOR_TRIGGER = True
        self.tick(now_ns)
        self._main.SENSOR_TRIGGER = False
        self.tick(now_ns)

    def gate(self, now_ns: int) -> bool:
        """A part is at the gate; whether it is ejected."""
        self._main.SENSOR_GATE = True
        self.tick(now_ns)
        self._main.SENSOR_GATE = False
        ejected = bool(self._main.EJECTOR)
        self.tick(now_ns)
        return ejected

    def _see(self, now_ns: int) -> None:
        self.tick(now_ns)
        self.tick(now_ns)  # timers that a change has stopped run again from now on

    def poll_block(self) -> list[int]:
        """The registers that the daemon reads, as the program has them."""
        world = self.world
        return [word for name, field in _POLL for word in field.encode(getattr(world, name))]


_AT: Final = [sum(field.words for field in REPORT_FIELDS[:index]) for index in range(len(REPORT_FIELDS))]
# (variable, its field, first register, end; the end is None where it is the register as it is).
_REPORT: Final = tuple(
    (f"AOI_R_{field.name.upper()}", field, at, at + field.words if field.words > 1 or field.signed else None)
    for field, at in zip(REPORT_FIELDS, _AT, strict=True)
)
_POLL: Final = tuple((f"PLC_R_{field.name.upper()}", field) for field in POLL_FIELDS)
_COIL_NAMES: Final = tuple(f"AOI_{Coil(coil).name}" for coil in range(Coil.SEQ))

