"""What can run a bundle on this machine, and in words why the rest cannot. Pure.

Nothing less exact than the bundle's own report took is ever a candidate; fp32, the reference, always is. A precision
that a person has named stays, qualified or not: then back ends vary alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.inspection.auto.choice import Candidate, Row, Table, shortened

_CPU: Final = {"openvino": "cpu", "onnx": "cpu", "tensorrt": "gpu"}


class Machine(NamedTuple):
    """What is there to run models.

    openvino: why it is not there; "": it is. devices: OpenVINO's, by their names in line.toml (`cpu`, `gpu.1`), each
    with the precisions that it runs and does not emulate. tensorrt: by precision why no engine fits; "": one does; by
    `*` why there is none at all. unknown: why OpenVINO's devices other than the processor are not known.
    """

    openvino: str
    devices: Mapping[str, frozenset[str]]
    tensorrt: Mapping[str, str]
    unknown: str = ""


class Found(NamedTuple):
    """Candidates in the order in which they are measured, the reference first; and a row for all that are none."""

    candidates: tuple[Candidate, ...]
    refused: tuple[Row, ...]


def candidates(manifest: Manifest, section: InspectionSection, machine: Machine) -> Found:
    """Of a bundle on this machine, by `section`, whose back end is `auto`."""
    found: list[Candidate] = []
    refused: list[Row] = []
    precisions = []
    for precision in PRECISIONS if section.precision == "auto" else (section.precision,):
        if why := unqualified(manifest, section, precision):
            refused.append(Row(name=precision, why=shortened(why)))
        else:
            precisions.append(precision)
    for backend in ("onnx", "openvino", "tensorrt"):
        if why := _absent(backend, section, machine):
            refused.append(Row(name=backend, why=shortened(why)))
            continue
        for precision in precisions:
            for candidate, why in _of(backend, precision, section, machine):
                if why:
                    refused.append(Row(name=candidate.name, why=shortened(why)))
                else:
                    found.append(candidate)
    if machine.unknown:
        refused.append(Row(name="openvino gpu, npu", why=shortened(machine.unknown)))
    return Found(tuple(sorted(found, key=_order)), tuple(refused))


def allowed(manifest: Manifest, section: InspectionSection, table: Table) -> Table:
    """`table`, read from a file, with what the bundle does not stand for struck out: a file is no qualification."""
    rows = []
    for row in table.rows:
        why = "" if row.candidate is None else unqualified(manifest, section, row.candidate.precision)
        rows.append(row.model_copy(update={"why": shortened(why)}) if why else row)
    return table.model_copy(update={"rows": tuple(rows)})


def named(section: InspectionSection, candidate: Candidate) -> InspectionSection:
    """`section` with the names of `candidate`: what `open_executor` takes."""
    device: int | str | None = candidate.device
    if candidate.backend != "openvino":
        device = section.device if isinstance(section.device, int) else None
    names: dict[str, Any] = {"backend": candidate.backend, "precision": candidate.precision, "device": device}
    return section.model_copy(update=names)


def reference(section: InspectionSection) -> Candidate:
    """What judges where nothing was measured, or nothing holds."""
    named_section = section.reference
    return Candidate(backend=named_section.backend, precision=named_section.precision)


def _order(candidate: Candidate) -> tuple[bool, int, int]:
    # The reference first, so that there is one whatever becomes of the time; then what is most likely to be the
    # quickest, by which those behind it are given up early.
    backends = ("tensorrt", "openvino", "onnx")
    is_reference = candidate.backend == "onnx" and candidate.precision == "fp32"
    return not is_reference, backends.index(candidate.backend), -PRECISIONS.index(candidate.precision)


def unqualified(manifest: Manifest, section: InspectionSection, precision: str) -> str:
    """Why the bundle does not stand for `precision`; "" where it does."""
    report = manifest.qualification
    why_not = {} if report is None else {str(name): why for name, why in report.refused.items()}
    there = precision in manifest.models
    if section.precision != "auto":
        return "" if there else f"the bundle has no {precision} (inspection.precision)"
    if precision in why_not:
        return f"left out by the bundle's qualification: {why_not[precision]}"
    if there and (precision == "fp32" or (report is not None and precision in {*map(str, report.models)})):
        return ""
    return "not qualified in the bundle" if report is not None or not there else "the bundle has no qualification"


def _absent(backend: str, section: InspectionSection, machine: Machine) -> str:
    """Why nothing runs on `backend`; "" where something may."""
    if backend == "openvino":
        return machine.openvino
    if backend == "tensorrt" and section.lanes != "auto" and section.lanes > 1:
        return f"a GPU has one lane, inspection.lanes is {section.lanes}"
    if backend == "tensorrt":
        if isinstance(section.device, str):
            return f"inspection.device = {section.device!r} is OpenVINO's"
        return machine.tensorrt.get("*", "")
    return ""


def _of(
    backend: str, precision: str, section: InspectionSection, machine: Machine
) -> Iterator[tuple[Candidate, str]]:
    """The candidates of one back end and precision; with each why it is none, or ""."""
    if backend == "openvino":
        # A number is TensorRT's GPU, and says nothing of OpenVINO's devices.
        wanted = section.device if isinstance(section.device, str) else None
        devices = [wanted] if wanted else sorted(machine.devices)
        for device in devices:
            candidate = Candidate(backend=backend, precision=precision, device=device)
            if device not in machine.devices:
                there = ", ".join(sorted(machine.devices)) or "none"
                yield candidate, f"OpenVINO finds no {device} here (there: {there})"
            elif precision not in machine.devices[device]:
                yield candidate, f"{device} has no {precision}: it would be emulated, slowly"
            else:
                yield candidate, ""
        return
    if precision == "bf16":
        return  # a back end of another precision: nothing that a person would miss
    candidate = Candidate(backend=backend, precision=precision, device=_CPU[backend])
    yield candidate, machine.tensorrt.get(precision, "no engine") if backend == "tensorrt" else ""
