"""Every TensorRT name that the code uses exists in the bindings of 8.6 to 11 and of TensorRT-RTX.

The names of eight releases are in binding_names.json, read off NVIDIA's own bindings on PyPI by
tools/gpu/binding_names.py. The names used are read off the source: which variable is which class of
TensorRT's is said here, so a variable that is not is a name that nobody checks (and a test counts them).
"""

import ast
import json
from pathlib import Path

import pytest

from tests.unit.infer.trt.need_rtx import need_rtx

ROOT = Path(__file__).parents[4] / "aoi_daemon"
_RECORD = json.loads((Path(__file__).parent / "binding_names.json").read_text())
RELEASES = tuple(_RECORD["releases"])
TABLE = {
    name: {attribute: set(RELEASES if there == "all" else there.split()) for attribute, there in rows.items()}
    for name, rows in _RECORD["names"].items()
}
RTX = {"1.4.0.76", "1.7.1.116"}
WEAK = {"8.6.1", "10.3.0", "10.11.0.33"}
SINCE_10 = set(RELEASES) - {"8.6.1"}

# Which class a variable or an attribute of the source is, by file.
_COMMON = {
    "config": "IBuilderConfig", "builder": "Builder", "parser": "OnnxParser", "layer": "ILayer",
    "engine": "ICudaEngine", "_engine": "ICudaEngine", "context": "IExecutionContext",
    "_context": "IExecutionContext", "runtime": "Runtime", "options": "IRuntimeConfig",
    "strategy": "CudaGraphStrategy", "inspector": "EngineInspector",
}  # fmt: skip
FILES = {
    "infer/trt/executor.py": {},
    "infer/trt/lane.py": {},
    "infer/trt/vendor.py": {},
    "engine/build/build.py": {"profile": "IOptimizationProfile"},
    "engine/build/network.py": {"network": "INetworkDefinition", "tensor": "ITensor", "flags": "BuilderFlag"},
    "engine/build/peaks.py": {
        "network": "INetworkDefinition", "_network": "INetworkDefinition", "tensor": "ITensor", "peaks": "ITensor",
        "concatenation": "IConcatenationLayer",
    },
    "engine/build/target.py": {"cache": "ITimingCache"},
    "engine/build/tuning.py": {},
    "engine/build/calibrator.py": {},
    "engine/build/progress.py": {},
    "engine/build/plan.py": {},
}

# Where a name is used that not all have: the releases that the code uses it with.
LIMITED = {
    "IBuilderConfig.num_compute_capabilities": RTX,
    "IBuilderConfig.set_compute_capability": RTX,
    "ICudaEngine.create_runtime_config": RTX,
    "IRuntimeConfig.cuda_graph_strategy": RTX,
    "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy": RTX,
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE": RTX,
    "CudaGraphStrategy.DISABLED": RTX,
    "DynamicShapesKernelSpecializationStrategy.EAGER": RTX,
    "IBuilderConfig.progress_monitor": SINCE_10,
    "IBuilderConfig.int8_calibrator": WEAK,
    "IBuilderConfig.set_calibration_profile": WEAK,
    "BuilderFlag.FP16": WEAK,
    "BuilderFlag.INT8": WEAK,
    "BuilderFlag.PREFER_PRECISION_CONSTRAINTS": WEAK,
    "ILayer.precision": WEAK,
    "ILayer.set_output_type": WEAK,
}
# Classes that the source names by a string or a base class, with what it defines or asks of them.
BY_STRING = {
    "Builder.create_network": set(RELEASES),
    "Runtime.deserialize_cuda_engine": set(RELEASES),
    "NetworkDefinitionCreationFlag.EXPLICIT_BATCH": {"8.6.1", "10.3.0", "10.11.0.33", "10.12.0.36", "10.13.3.9"},
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": {"10.12.0.36", "10.13.3.9", "11.4.0.106"} | RTX,
    "IProgressMonitor.phase_start": SINCE_10,
    "IProgressMonitor.step_complete": SINCE_10,
    "IProgressMonitor.phase_finish": SINCE_10,
    "IInt8EntropyCalibrator2.get_batch": WEAK,
    "IInt8EntropyCalibrator2.get_batch_size": WEAK,
    "IInt8EntropyCalibrator2.read_calibration_cache": WEAK,
    "IInt8EntropyCalibrator2.write_calibration_cache": WEAK,
    "ILogger.log": set(RELEASES),
    "ParserError.desc": set(RELEASES),
    "ComputeCapability.SM75": RTX,
    "ComputeCapability.SM86": RTX,
    "DataType.UINT8": set(RELEASES),
    "DataType.HALF": set(RELEASES),
    **{f"ReduceOperation.{kind}": set(RELEASES) for kind in ("MAX", "MIN", "AVG")},
    "LayerType.QUANTIZE": set(RELEASES),
    "LayerType.DEQUANTIZE": set(RELEASES),
    **{
        f"LayerType.{kind}": set(RELEASES)
        for kind in ("ACTIVATION", "CONVOLUTION", "ELEMENTWISE", "MATRIX_MULTIPLY", "POOLING", "REDUCE", "UNARY")
    },
}


def last_word(node):
    """`x` of the expressions `x`, `y.x`; "" of any other."""
    return getattr(node, "id", None) or getattr(node, "attr", None) or ""


def attributes(file):
    """(expression, attribute) of every attribute in `file`."""
    tree = ast.parse((ROOT / file).read_text())
    return [(node.value, node.attr) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]


def used(file):
    """Class.attribute of TensorRT's, as used in `file`: of a variable of a known class, or of api.Class."""
    classes = {**_COMMON, **FILES[file]}
    found = set()
    for holder, attribute in attributes(file):
        owner = classes.get(last_word(holder))
        if isinstance(holder, ast.Attribute) and last_word(holder.value) == "api":
            owner = holder.attr
        if owner is not None and not attribute.startswith("__"):
            found.add(f"{owner}.{attribute}")
    return found


def classes_of_api(file):
    """X of every `api.X` in `file`."""
    return {name for holder, name in attributes(file) if last_word(holder) == "api" and not name.startswith("__")}


ALL_USED = {(file, name) for file in FILES for name in used(file)}


@pytest.mark.parametrize("release", RELEASES)
def test_every_name_exists_where_it_is_used(release):
    """A name that the source uses is in the bindings of each release that it is used with."""
    missing = []
    for file, name in sorted(ALL_USED):
        owner, _, attribute = name.partition(".")
        there = TABLE.get(owner, {}).get(attribute, set())
        if release in LIMITED.get(name, RELEASES) and release not in there:
            missing.append(f"{file}: {name}")
    for name, releases in BY_STRING.items():
        owner, _, attribute = name.partition(".")
        if release in releases and release not in TABLE[owner][attribute]:
            missing.append(name)
    assert not missing


def test_a_limited_name_is_limited_by_the_bindings_and_still_used():
    """An entry of LIMITED that all releases have, or that nothing uses, would hide a mistake."""
    names = {name for _, name in ALL_USED}
    for name in LIMITED:
        owner, _, attribute = name.partition(".")
        assert name in names, f"{name} is not used"
        assert TABLE[owner][attribute] != set(RELEASES), f"{name} is in all"


def test_what_is_gone_is_not_used():
    """Names of 8.6's old interface: bindings by index, implicit batch, the engine built in one go."""
    gone = {
        "max_workspace_size", "build_engine", "execute_async_v2", "execute_v2", "num_bindings", "get_binding_shape",
        "binding_is_input", "max_batch_size", "get_binding_index", "set_binding_shape", "build_cuda_engine",
    }  # fmt: skip
    assert not {name for _, name in ALL_USED if name.partition(".")[2] in gone}


@pytest.mark.parametrize("file", FILES)
def test_every_class_of_the_module_is_one_whose_names_are_known(file):
    """api.X: X is a class of the table, so that what follows is checked."""
    assert classes_of_api(file) <= set(TABLE)


LEAN = {owner: set(names) for owner, names in _RECORD["lean"]["names"].items()}


def test_the_lean_runtime_has_every_name_that_runs_a_plan_and_none_that_builds_one():
    """What only TensorRT-RTX has is not asked of it."""
    running = {name for file, name in ALL_USED if file.startswith("infer/trt/") and name not in LIMITED}
    wanted = {*running, "Runtime.engine_host_code_allowed", "ILogger.log"}
    missing = [name for name in sorted(wanted) if name.partition(".")[2] not in LEAN.get(name.partition(".")[0], ())]
    assert missing == []
    assert "ICudaEngine.num_io_tensors" in wanted
    assert {"Builder", "IBuilderConfig", "OnnxParser"} & set(LEAN) == set()


def test_names_are_found_at_all():
    """The reading of the source works: it sees the calls that an engine cannot be run without."""
    assert {
        ("infer/trt/lane.py", "IExecutionContext.execute_async_v3"),
        ("infer/trt/lane.py", "IExecutionContext.set_tensor_address"),
        ("infer/trt/lane.py", "ICudaEngine.get_tensor_profile_shape"),
        ("engine/build/build.py", "Builder.build_serialized_network"),
        ("engine/build/build.py", "IOptimizationProfile.set_shape"),
        ("engine/build/build.py", "IBuilderConfig.add_optimization_profile"),
        ("engine/build/build.py", "MemoryPoolType.WORKSPACE"),
        ("engine/build/network.py", "OnnxParser.parse"),
        ("engine/build/network.py", "ILayer.precision"),
        ("engine/build/target.py", "ITimingCache.serialize"),
        ("infer/trt/lane.py", "Runtime.deserialize_cuda_engine"),
    } <= ALL_USED
    assert len(ALL_USED) > 60


def test_each_vendor_is_imported_in_one_place():
    """By name, at run time: import-linter does not see it, so it is looked for here."""
    places = {
        (path.relative_to(ROOT).as_posix(), vendor)
        for path in ROOT.rglob("*.py")
        for vendor in ("tensorrt", "pycuda")
        for line in path.read_text().splitlines()
        if line.lstrip().startswith((f"import {vendor}", f"from {vendor}"))
        or ("import_module(" in line and (vendor in line or (vendor == "tensorrt" and "flavour" in line)))
    }
    assert places == {("infer/trt/vendor.py", "tensorrt"), ("infer/trt/cuda.py", "pycuda")}


def test_the_installed_bindings_have_what_the_table_says():
    """The table was read off wheels; the package that is installed here agrees with it."""
    rtx = need_rtx()
    if rtx.__version__ not in RELEASES:
        pytest.skip(f"tensorrt_rtx {rtx.__version__} is not one of the releases in the table")
    wrong = [
        f"{owner}.{attribute}"
        for owner, rows in TABLE.items()
        for attribute, there in rows.items()
        if (rtx.__version__ in there) is not hasattr(getattr(rtx, owner, None), attribute)
    ]
    assert not wrong
