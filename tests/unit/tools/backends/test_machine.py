"""tools/backends/machine.py: what a processor says of itself, and how busy it was."""

import pytest

from tools.backends import machine
from tools.backends.machine import cpu_flags, cpu_name, quiet_problem, watched

X86 = "processor : 0\nmodel name\t: Some CPU: fast @ 3 GHz\nflags\t\t: fpu avx2 avx512_vnni amx_bf16 sse\n"
ARM = "processor : 0\nFeatures\t: fp asimd i8mm\n"


def test_the_flags_that_decide_about_precisions_are_told_in_one_order():
    assert cpu_flags(X86) == ["avx2", "avx512_vnni", "amx_bf16"]
    assert cpu_flags(ARM) == ["asimd", "i8mm"]
    assert cpu_flags("") == []


def test_a_name_with_a_colon_is_told_in_full_and_no_name_is_the_architecture():
    assert cpu_name(X86) == "Some CPU: fast @ 3 GHz"
    assert cpu_name(ARM) == machine.platform.machine()


@pytest.mark.parametrize(("load", "is_quiet"), [(0.0, True), (0.5, True), (0.51, False), (9.0, False)])
def test_a_busy_machine_is_told(load, is_quiet):
    assert (quiet_problem(load, 2) is None) is is_quiet


def test_the_load_is_noted_where_the_block_is_left_by_ctrl_c_too():
    found = {}
    with pytest.raises(KeyboardInterrupt), watched(found, witness=False):
        raise KeyboardInterrupt
    assert found.keys() == {"load_before", "load_after"}
