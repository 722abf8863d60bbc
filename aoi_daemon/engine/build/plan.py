"""Write a plan and its sidecar; read back what TensorRT made of a network.

Process: offline. The sidecar's fields, and reading it, are infer/trt/plan.py:
whoever runs a plan needs them too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from aoi_daemon.errors import ModelError
from aoi_daemon.files import make_folder, replace_file
from aoi_daemon.infer.trt.plan import SIDECAR, Plan
from aoi_daemon.infer.trt.vendor import Vendor

_WORDS: Final = {
    "fp32": "float32", "float": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16",
    "bfloat16": "bfloat16", "int8": "int8", "int32": "int32", "int64": "int64", "uint8": "uint8", "bool": "bool",
}  # fmt: skip
"""How the inspectors of 8.6 to 11 write a type, within "Format/Datatype"."""


def write_plan(plan: Plan) -> None:
    """Write `plan.file` and its sidecar, the sidecar last: a plan without one is not used.

    Raises:
        ModelError: the folder cannot be written.
    """
    sidecar = plan.file.with_name(plan.file.name + SIDECAR)
    try:
        make_folder(plan.file.parent)
        # First: the old sidecar beside the new plan would be a damaged plan to whoever reads between.
        sidecar.unlink(missing_ok=True)
        replace_file(plan.file, plan.content)
        replace_file(sidecar, (plan.manifest.model_dump_json(indent=2) + "\n").encode())
    except OSError as error:
        raise ModelError(f"{plan.file}: cannot be written: {error.strerror}") from error


def engine_types(vendor: Vendor, content: bytes) -> dict[str, int]:
    """Outputs of an engine's layers by type, as its inspector tells; empty where it tells none.

    Needs a GPU: the plan must be deserialized for it.

    Raises:
        ModelError: TensorRT does not take the plan that it has just built.
    """
    runtime = vendor.make("Runtime", "no runtime")
    engine = runtime.deserialize_cuda_engine(content)
    if engine is None:
        raise vendor.refusal("the finished plan is refused by the TensorRT that built it")
    inspector = engine.create_engine_inspector()
    text = inspector.get_engine_information(vendor.api.LayerInformationFormat.JSON)
    return count_types(text)


def count_types(text: str) -> dict[str, int]:
    """Count the types of the outputs in an inspector's JSON, whatever else its version writes."""
    try:
        information = json.loads(text)
    except ValueError:
        return {}
    counts: Counter[str] = Counter()
    for output in _outputs(information):
        words = str(output.get("Format/Datatype", output.get("Datatype", ""))).lower().replace(",", " ").split()
        counts.update({_WORDS[word] for word in words if word in _WORDS})
    return dict(sorted(counts.items()))


def _outputs(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        outputs = value.get("Outputs")
        if isinstance(outputs, list):
            yield from (output for output in outputs if isinstance(output, dict))
        for inner in value.values():
            yield from _outputs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _outputs(inner)
