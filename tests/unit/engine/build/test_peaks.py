"""Peaks in a network whose types are the builder's choice, and what TensorRT refuses."""

from types import SimpleNamespace

import pytest

from aoi_daemon.engine.build.peaks import add_peaks
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt.vendor import vendor_of
from tests.unit.infer.manifests import manifest_of
from tests.unit.infer.trt.trt_builder_fakes import FakeBuilderApi, Guarded

CLASSES = ("open", "short", "spur")
WEAK, STRONG = ("8.6.1", "10.3.0"), ("10.13.3.9", "11.4.0.106")


class Network:
    """Layers by what they do to what; `refuses`: the call that gives None."""

    def __init__(self, release, output, *, refuses=None):
        self.release, self.refuses, self.layers, self.marked = release, refuses, [], []
        self.outputs = [output]
        self.num_outputs, self.get_output = 1, self.outputs.__getitem__

    def layer(self, call, owner, what):
        if call == self.refuses:
            return None
        made = SimpleNamespace(name=what)
        layer = Guarded(owner, self.release, get_output=lambda index: made, set_output_type=lambda *a: self.typed.append(a))
        self.layers.append(layer)
        return layer

    typed = ()

    def add_constant(self, shape, numbers):
        return self.layer("add_constant", "ILayer", ("constant", numbers.tolist()))

    def add_gather(self, tensor, numbers, axis):
        return self.layer("add_gather", "ILayer", ("gather", tensor.name, numbers.name, axis))

    def add_reduce(self, tensor, kind, axes, keep):
        return self.layer("add_reduce", "ILayer", (kind.name, tensor.name, axes, keep))

    def add_concatenation(self, tensors):
        return self.layer("add_concatenation", "IConcatenationLayer", ("join", [tensor.name for tensor in tensors]))

    def mark_output(self, tensor):
        self.marked.append(tensor)


def added(release, task, **options):
    """The network with peaks, the flags set, and what is to be kept."""
    api = FakeBuilderApi(release)
    network = Network(release, SimpleNamespace(name="heads" if task == "yolo" else "maps"), **options)
    network.typed = []
    vendor = vendor_of(api, "tensorrt")
    manifest = manifest_of(task, CLASSES, good_classes=("open",)) if task != "anomaly" else manifest_of(task)
    kept = add_peaks(vendor, network, api.Builder(None).create_builder_config(), manifest)
    return network, api.flags, kept


@pytest.mark.parametrize("release", WEAK)
@pytest.mark.parametrize("task", ["yolo", "segment", "anomaly"])
def test_where_the_builder_may_choose_types_each_layer_of_peaks_is_held_to_single_precision(release, task):
    """A sum in half precision ends at 65504."""
    network, flags, _ = added(release, task)
    assert flags == {"PREFER_PRECISION_CONSTRAINTS"}
    computing = [layer for layer in network.layers if layer.get_output(0).name[0] != "constant"]
    assert len(network.typed) == len(computing) == 5
    assert {layer.precision.name for layer in computing} == {"FLOAT"}


@pytest.mark.parametrize("release", STRONG)
def test_where_types_are_the_networks_no_flag_is_set(release):
    """They are gone from 11 on."""
    network, flags, kept = added(release, "yolo")
    assert (flags, network.typed) == (set(), [])
    assert [numbers.tolist() for numbers in kept] == [[4, 5, 6]]
    assert [tensor.name for tensor in network.marked] == ["peaks"]


@pytest.mark.parametrize("call", ["add_constant", "add_gather", "add_reduce", "add_concatenation"])
def test_a_layer_that_tensorrt_refuses_is_an_error(call):
    """By a return value alone, as everything of TensorRT's."""
    with pytest.raises(ModelError, match="peaks: "):
        added("10.13.3.9", "yolo", refuses=call)
