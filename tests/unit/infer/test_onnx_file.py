"""What is read from an ONNX file without the package `onnx`."""

import onnx
import pytest

from aoi_daemon.infer.onnx_file import default_opset, has_half_scales

_QUANTISED = """
<ir_version: 9, opset_import: [{domains}]>
q ({dtype}[1,8] x, {dtype} scale, int8 zero) => ({dtype}[1,8] y)
{{
    xq = QuantizeLinear (x, scale, zero)
    y = DequantizeLinear (xq, scale, zero)
}}
"""


def model(domains='"" : 17', dtype="float"):
    return onnx.parser.parse_model(_QUANTISED.format(domains=domains, dtype=dtype)).SerializeToString()


@pytest.mark.parametrize("version", [11, 17, 19, 200])
def test_the_opset_is_read(version):
    """Also one that takes two bytes, and beside other domains."""
    assert default_opset(model(f'"" : {version}')) == version
    assert default_opset(model(f'"com.microsoft" : 1, "" : {version}')) == version


@pytest.mark.parametrize("damaged", [b"", b"no model at all", b"\xff" * 40, model()[:-3], bytes(range(256))])
def test_a_damaged_file_has_no_opset(damaged):
    """Opening it tells what is wrong; this does not."""
    assert default_opset(damaged) in (0, 17)


def test_half_scales_are_possible_from_opset_19_on():
    """Ours are 17 at most and keep the fast kernels; a model without Q/DQ keeps them as well."""
    assert not has_half_scales(model('"" : 17'))
    assert has_half_scales(model('"" : 19', "float16"))
    plain = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 19]> p (float[1] x) => (float[1] y) { y = Neg (x) }'
    )
    assert not has_half_scales(plain.SerializeToString())
