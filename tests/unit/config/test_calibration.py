import pytest
from pydantic import ValidationError

from aoi_daemon.config.calibration import Calibration

GIVEN = {"method": "max", "frames": 1, "set_sha256": "0" * 64}


def test_a_manifest_of_before_says_nothing_of_layers_and_loss():
    old = Calibration.model_validate({**GIVEN, "method": "percentile"})
    assert (old.kept_float, old.loss) == ((), None)


@pytest.mark.parametrize(
    "wrong", [{"method": "mean"}, {"frames": 0}, {"loss": -0.001}, {"kept_float": [{"layers": [], "why": "b"}]}]
)
def test_what_no_bundle_was_made_with_is_refused(wrong):
    with pytest.raises(ValidationError):
        Calibration.model_validate({**GIVEN, **wrong})


def test_layers_in_float_come_with_their_reason():
    row = {"layers": ["a", "b"], "why": "quantised alone: 7 of 847 boxes lost, 2 extra, 0 flips"}
    found = Calibration.model_validate({**GIVEN, "kept_float": [row], "loss": 0.0})
    assert found.kept_float[0].layers == ("a", "b")
    assert Calibration.model_validate_json(found.model_dump_json()) == found
