"""Which device and precision is run, and which is refused: nothing silently."""

from itertools import chain, combinations, product

import pytest

from aoi_daemon.infer.openvino.rules import (
    cpu_flags,
    device_problem,
    hint_of,
    notes_of,
    other_precision,
    precision_problem,
)

ALL = ("FP32", "BF16", "FP16", "INT8", "EXPORT_IMPORT")
SETS = list(chain.from_iterable(combinations(ALL, count) for count in range(len(ALL) + 1)))
OF_HINT = {"f32": "FP32", "bf16": "BF16", "f16": "FP16"}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16", "int8"])
def test_a_precision_is_run_where_the_device_has_it_and_never_as_another(precision):
    """Over everything that a device may say of itself."""
    for has in SETS:
        problem = precision_problem("gpu", precision, has)
        asked = hint_of(precision, has)
        if problem:
            assert f"inspection.precision = '{precision}': gpu does not have it" in problem
            assert all(name.lower().replace("int", "int") in problem for name in has if name != "EXPORT_IMPORT")
        else:
            assert OF_HINT[asked] in has and (precision != "int8" or "INT8" in has)
        if precision != "int8":
            assert bool(problem) is (precision.upper() not in has)
            assert asked == {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[precision]
        elif not problem:
            assert asked == ("f32" if "FP32" in has else "f16"), "the other layers run in the best that is there"


def test_bf16_without_its_instructions_is_said_to_be_slow():
    assert "slower than fp32" in precision_problem("cpu", "bf16", ["FP32", "INT8"])


@pytest.mark.parametrize(("asked", "runs"), list(product(OF_HINT, OF_HINT)))
def test_a_model_that_was_compiled_for_another_precision_is_refused(asked, runs):
    problem = other_precision("cpu", "fp16", asked, runs)
    assert bool(problem) is (asked != runs)
    assert not problem or (f"asked for {asked}" in problem and f"compiled for {runs} on cpu" in problem)


@pytest.mark.parametrize(
    ("there", "takes"),
    [(("CPU",), {"CPU"}), (("CPU", "GPU"), {"CPU", "GPU", "GPU.0"}), (("CPU", "GPU.0", "GPU.1", "NPU"), {"CPU", "GPU", "GPU.0", "GPU.1", "NPU", "NPU.0"}),
     ((), set())],
)  # fmt: skip
def test_a_device_that_is_not_there_is_named_with_those_that_are(there, takes):
    for name in (*(f"{kind}{which}" for kind in ("CPU", "GPU", "NPU") for which in ("", ".0", ".1", ".2")),):
        problem = device_problem(name, there)
        assert bool(problem) is (name not in takes), name
        if problem:
            assert f"inspection.device = '{name.lower()}'" in problem
            assert f"(there: {', '.join(there).lower() or 'none'})" in problem
            driver = not any(each.startswith(name[:3]) for each in there) and name[:3] != "CPU"
            assert ("needs its driver" in problem) is driver


def test_int8_says_what_its_other_layers_run_in_and_where_it_is_emulated():
    assert notes_of("CPU", "fp32", "f32", {"avx2"}) == []
    assert notes_of("CPU", "int8", "f32", {"avx2", "avx_vnni"}) == ["layers that are not quantised run in f32"]
    assert notes_of("NPU", "int8", "f16", ()) == ["layers that are not quantised run in f16"]
    _, emulated = notes_of("CPU", "int8", "f32", {"avx2"})
    assert "emulated" in emulated and "VNNI" in emulated


@pytest.mark.parametrize(
    ("text", "flags"),
    [("processor\t: 0\nflags\t\t: fpu avx2 avx_vnni\nbugs\t: x\n", {"fpu", "avx2", "avx_vnni"}),
     ("processor : 0\nFeatures : fp asimddp\n", {"fp", "asimddp"}), ("", set()), ("no colon", set())],
)  # fmt: skip
def test_the_instruction_sets_are_read_from_what_the_kernel_tells(text, flags):
    assert cpu_flags(text) == flags
