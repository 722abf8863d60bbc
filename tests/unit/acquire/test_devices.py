import pytest

from aoi_daemon.acquire.devices import Device, choose
from aoi_daemon.errors import CameraError

TOP = Device("100", "acA640", "top")
SIDE = Device("101", "acA640", "side")
OTHER = Device("102", "Viky", None)
NAMELESS = Device(None, None, None)


def refusal(devices, **wanted):
    with pytest.raises(CameraError) as caught:
        choose(devices, **wanted)
    return str(caught.value)


@pytest.mark.parametrize("wanted", [{"serial": "102"}, {"model": "Viky"}])
def test_the_one_device_that_fits_is_chosen(wanted):
    assert choose([TOP, SIDE, OTHER], **wanted) == 2


def test_a_user_name_chooses_among_equal_models():
    assert choose([TOP, SIDE, OTHER], user_name="side") == 1


def test_the_only_device_needs_no_name():
    assert choose([NAMELESS]) == 0


def test_a_device_that_does_not_tell_a_property_does_not_have_it():
    # harvesters 1.4.3 would open it.
    assert "no camera with user_name 'top' is there" in refusal([OTHER, NAMELESS], user_name="top")


def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    told = refusal([TOP, OTHER], serial="999")
    assert "serial '999'" in told
    assert "acA640 (serial '100', user name 'top'); Viky (serial '102')" in told


def test_no_device_at_all_is_told():
    assert refusal([]) == "no camera is there; there are: none"
    assert refusal([], model="Viky") == "no camera with model 'Viky' is there; there are: none"


def test_of_several_that_fit_none_is_guessed():
    assert refusal([TOP, SIDE], model="acA640").startswith("2 cameras have model 'acA640'")
    assert refusal([TOP, OTHER]).startswith("no camera is named")


def test_a_serial_is_compared_as_text():
    assert "is there" in refusal([TOP], serial="0100")
