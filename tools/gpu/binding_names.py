"""Write down which names each TensorRT release's Python bindings have: `python3 -m tools.gpu.binding_names`.

The bindings are ordinary wheels of about 1 MB; what they bind to is not. They are imported against stub
libraries that define the symbols the loader asks for and do nothing, so no NVIDIA library and no GPU is
needed: pip, gcc and the registry are. The result is kept in tests/unit/infer/trt/binding_names.json, by
which the tests know the names of releases that cannot be installed side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

TABLE: Final = Path(__file__).parents[2] / "tests/unit/infer/trt/binding_names.json"
RELEASES: Final = (
    "tensorrt-bindings==8.6.1",
    "tensorrt-cu12-bindings==10.3.0",
    "tensorrt-cu12-bindings==10.11.0.33",
    "tensorrt-cu12-bindings==10.12.0.36",
    "tensorrt-cu12-bindings==10.13.3.9",
    "tensorrt-cu12-bindings==11.4.0.106",
    "tensorrt-rtx-cu13-bindings==1.4.0.76",
    "tensorrt-rtx-cu13-bindings==1.7.1.116",
)
LEAN: Final = "tensorrt-lean-cu13-bindings==11.4.0.106"
"""The runtime without the builder; its version is that of `tensorrt`, so its names are kept apart."""
CLASSES: Final = (
    "Builder", "BuilderFlag", "ComputeCapability", "CudaGraphStrategy", "DataType",
    "DynamicShapesKernelSpecializationStrategy", "EngineInspector", "EngineValidity",
    "IBuilderConfig", "IConcatenationLayer", "ICudaEngine", "IExecutionContext", "IHostMemory",
    "IInt8EntropyCalibrator2", "ILayer",
    "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProgressMonitor", "IRuntimeConfig", "ITensor",
    "ITimingCache", "LayerInformationFormat", "LayerType", "MemoryPoolType", "NetworkDefinitionCreationFlag",
    "OnnxParser", "ParserError", "ProfilingVerbosity", "ReduceOperation", "Runtime", "TensorIOMode",
)  # fmt: skip
_PLATFORMS: Final = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_31_x86_64")
_MAX_SYMBOLS: Final = 100
# Prints the attributes of the classes named as JSON; run in a process of its own, for each release.
_PROBE: Final = """
import importlib, json, sys, warnings
warnings.simplefilter("ignore")
api = importlib.import_module(sys.argv[1])
found = {c: [n for n in dir(getattr(api, c)) if not n.startswith("_")] for c in sys.argv[2:] if hasattr(api, c)}
print(json.dumps([api.__version__, found]))
"""


def names(release: str, work: Path) -> tuple[str, dict[str, list[str]]]:
    """Version and names by class of `release`, a pip requirement; `work` is an empty folder."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(work)]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # The bindings' wheels are tagged cp311-none: the interpreter's, with no ABI.
    tags = ["--python-version", version, "--implementation", "cp", "--abi", "none"]
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    subprocess.run([*pip, *tags, *platforms, release], check=True)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        wheel.extractall(work)
    binding = next(path for path in work.glob("tensorrt*/tensorrt*.so"))
    symbols: list[str] = []
    while len(symbols) < _MAX_SYMBOLS:
        _write_stubs(binding, symbols, work)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(work), "PYTHONPATH": str(work)}
        probe = [sys.executable, "-c", _PROBE, binding.parent.name, *CLASSES]
        result = subprocess.run(probe, env=environment, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            found = json.loads(result.stdout)
            return found[0], found[1]
        missing = re.search(r"undefined symbol: (\w+)", result.stderr)
        if missing is None:
            raise SystemExit(f"{release}: {result.stderr}")
        symbols.append(missing[1])
    raise SystemExit(f"{release}: asks for more than {_MAX_SYMBOLS} symbols")


def _write_stubs(binding: Path, symbols: list[str], folder: Path) -> None:
    """Make each NVIDIA library that `binding` needs, with `symbols` as functions that return null."""
    source = folder / "stub.c"
    source.write_text("int none;\n" + "".join(f"void *{name}(void) {{ return 0; }}\n" for name in symbols))
    listing = subprocess.run(["readelf", "-d", str(binding)], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"\[(lib(?:nv|tensorrt)[\w.]+)\]", listing):
        command = ["gcc", "-shared", "-fPIC", "-o", str(folder / library), str(source), f"-Wl,-soname,{library}"]
        subprocess.run(command, check=True)


def main() -> int:
    """Write the table."""
    argparse.ArgumentParser(prog="binding_names", description=__doc__.partition("\n")[0]).parse_args()
    versions: dict[str, str] = {}
    table: dict[str, dict[str, list[str]]] = {}
    for release in RELEASES:
        with tempfile.TemporaryDirectory() as work:
            version, found = names(release, Path(work))
        versions[version] = release
        print(f"{release}: {sum(map(len, found.values()))} names", file=sys.stderr)
        for class_name, attributes in found.items():
            for attribute in attributes:
                table.setdefault(class_name, {}).setdefault(attribute, []).append(version)
    with tempfile.TemporaryDirectory() as work:
        lean_version, lean = names(LEAN, Path(work))
    everywhere = list(versions)
    compact = {
        class_name: {name: "all" if there == everywhere else " ".join(there) for name, there in rows.items()}
        for class_name, rows in sorted(table.items())
    }
    told = {"releases": versions, "names": compact, "lean": {"version": lean_version, "release": LEAN, "names": lean}}
    TABLE.write_text(json.dumps(told, indent=0, sort_keys=True) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
