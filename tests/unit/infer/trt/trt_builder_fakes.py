"""A TensorRT builder of a given release, by hand: it has the names that the release's bindings have, and no others.

Models are JSON: {"inputs": [[name, dtype, shape]], "layers": [[kind, dtype]]}. A call of a name that the
release does not have is an AttributeError, as it would be in the field.
"""

from __future__ import annotations

import enum
import json
from types import SimpleNamespace

from tests.unit.infer.trt.test_binding_names import TABLE
from tests.unit.infer.trt.trt_fakes import Severity


def members(owner, release):
    """The enumeration `owner` as `release` has it."""
    names = [name for name, there in TABLE[owner].items() if release in there and name.isupper()]
    return enum.IntEnum(owner, {name: number for number, name in enumerate(sorted(names))})


class Guarded:
    """An object of the class `owner` of a release: reads and writes of other names fail."""

    def __init__(self, owner, release, **values):
        allowed = {name for name, there in TABLE[owner].items() if release in there}
        object.__setattr__(self, "_allowed", allowed)
        object.__setattr__(self, "_values", values)
        unknown = set(values) - allowed
        object.__setattr__(self, "_owner", f"{owner} of {release}")
        for name in unknown:
            del values[name]

    def __getattr__(self, name):
        if name not in self._allowed:
            raise AttributeError(f"{self._owner} has no {name}")
        return self._values[name]

    def __setattr__(self, name, value):
        if name not in self._allowed:
            raise AttributeError(f"{self._owner} has no {name}")
        self._values[name] = value


class FakeBuilderApi:
    """The module `tensorrt` of `release`. What was set is in `flags`, `network_flags`, `config`."""

    def __init__(self, release):
        self.__version__ = release
        self.release, self.flags, self.network_flags = release, set(), None
        self.batches, self.cache, self.cache_fits, self.result = [], None, True, b"PLAN"
        for owner in ("NetworkDefinitionCreationFlag", "BuilderFlag", "DataType", "LayerType", "MemoryPoolType"):
            setattr(self, owner, members(owner, release))
        self.ProfilingVerbosity, self.LayerInformationFormat = (
            members(owner, release) for owner in ("ProfilingVerbosity", "LayerInformationFormat")
        )
        self.ReduceOperation = members("ReduceOperation", release)
        names = [name for name, there in TABLE["IBuilderConfig"].items() if release in there]
        self.IBuilderConfig = type("IBuilderConfig", (), dict.fromkeys(names))
        for owner in ("ILogger", "IProgressMonitor", "IInt8EntropyCalibrator2"):
            if owner in TABLE and any(release in there for there in TABLE[owner].values()):
                setattr(self, owner, type(owner, (), {}))

    def Builder(self, logger):
        self.logger = logger
        return Guarded(
            "Builder", self.release, create_network=self._network, create_builder_config=self._config,
            create_optimization_profile=self._profile, build_serialized_network=self._build,
        )  # fmt: skip

    def OnnxParser(self, network, logger):
        def parse(model):
            told = json.loads(model)
            inputs = [self._tensor(name, dtype, shape) for name, dtype, shape in told["inputs"]]
            layers = [self._layer(kind, dtype) for kind, dtype in told["layers"]]
            network._values.update(
                num_inputs=len(inputs),
                get_input=inputs.__getitem__,
                num_layers=len(layers),
                get_layer=layers.__getitem__,
            )
            self.layers = layers
            return True

        return Guarded("OnnxParser", self.release, parse=parse, num_errors=0, get_error=None)

    def Runtime(self, logger):
        text = '{"Layers": [{"Outputs": [{"Format/Datatype": "Half"}]}]}'
        inspector = SimpleNamespace(get_engine_information=lambda form: text)
        engine = Guarded("ICudaEngine", self.release, create_engine_inspector=lambda: inspector)
        self.runtime = Guarded("Runtime", self.release, deserialize_cuda_engine=lambda plan: engine)
        return self.runtime

    def _network(self, flags):
        self.network_flags = {f.name for f in self.NetworkDefinitionCreationFlag if flags >> f & 1}
        return Guarded("INetworkDefinition", self.release)

    def _config(self):
        def set_timing_cache(cache, ignore_mismatch):
            assert ignore_mismatch is False
            return self.cache_fits or cache.known == b""

        def create_timing_cache(known):
            self.cache = SimpleNamespace(known=known, serialize=lambda: b"times")
            return self.cache

        self.config = Guarded(
            "IBuilderConfig", self.release, set_flag=lambda flag: self.flags.add(flag.name),
            set_memory_pool_limit=lambda pool, size: None, add_optimization_profile=self._add_profile,
            set_calibration_profile=lambda profile: True, create_timing_cache=create_timing_cache,
            set_timing_cache=set_timing_cache, get_timing_cache=lambda: self.cache,
        )  # fmt: skip
        self.profiles = []
        return self.config

    def _add_profile(self, profile):
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def _profile(self):
        return Guarded("IOptimizationProfile", self.release, set_shape=lambda *sizes: None)

    def _build(self, network, config):
        calibrator = config._values.get("int8_calibrator")
        if calibrator is not None:
            assert calibrator.get_batch_size() == 1
            if calibrator.read_calibration_cache() is None:
                while (addresses := calibrator.get_batch(["image"])) is not None:
                    self.batches.append(addresses)
                calibrator.write_calibration_cache(b"ranges")
        if self.result is None:
            self.logger.log(Severity.ERROR, "no implementation for node 7")
        return self.result

    def _tensor(self, name, dtype, shape):
        return Guarded("ITensor", self.release, name=name, dtype=self.DataType[dtype], shape=shape)

    def _layer(self, kind, dtype):
        output = self._tensor("o", dtype, [])
        return Guarded(
            "ILayer",
            self.release,
            type=self.LayerType[kind],
            num_outputs=1,
            get_output=lambda index: output,
            precision=None,
        )
