"""Whether this machine runs bfloat16, asked before a model is opened in it.

Process: a command, or a start. Nothing is loaded but what OpenVINO's own list of devices needs.
"""

from __future__ import annotations

import importlib.util


def why_no_bf16() -> str | None:
    """Why this machine runs no model in bfloat16, with the remedy; None: it does, in its CPU's own instructions.

    A CPU without them may still compute in bfloat16, slower than in float32: that is a no as well.
    """
    if importlib.util.find_spec("openvino") is None:
        return "bf16 is run by OpenVINO, which is not installed here: pip install openvino"
    import openvino  # noqa: PLC0415

    try:
        there = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except RuntimeError as error:
        return f"OpenVINO does not take this CPU: {' '.join(str(error).split())}"
    if "BF16" not in there:
        return "this CPU has no bf16 (needs AVX512_BF16, AMX or Arm's BF16): run the command where one has"
    return None
