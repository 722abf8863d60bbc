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
    assert "0: acA640 (serial '100', user name 'top'); 1: Viky (serial '102')" in told


def test_no_device_at_all_is_told():
    assert refusal([]) == "no camera is there; there are: none"
    assert refusal([], model="Viky") == "no camera with model 'Viky' is there; there are: none"


def test_of_several_that_fit_none_is_guessed():
    assert refusal([TOP, SIDE], model="acA640").startswith("2 cameras have model 'acA640'")
    assert refusal([TOP, OTHER]).startswith("no camera is named")


def test_a_serial_is_compared_as_text():
    assert "is there" in refusal([TOP], serial="0100")


LEFT = Device("7\0\0", " acA640 ", "", "GEV-b", "Basler\0\0")
RIGHT = Device("8  ", "acA640\0junk", "\0\0", "GEV-a", "Basler")


@pytest.mark.parametrize("serial", ["7", "7 ", " 7", "7\0"])
def test_a_padded_name_is_compared_without_its_padding_and_shown_with_it(serial):
    assert choose([LEFT, RIGHT], serial=serial) == 0
    assert "serial '7\\x00\\x00'" in refusal([LEFT, RIGHT], serial="9")


@pytest.mark.parametrize("user_name", ["", " ", "\0"])
def test_an_empty_name_names_no_device(user_name):
    assert "no camera with user_name" in refusal([LEFT], user_name=user_name)


def test_an_id_names_one_device():
    assert choose([LEFT, RIGHT], device_id="GEV-a") == 1


def test_one_serial_seen_through_two_interfaces_is_not_guessed():
    told = refusal([LEFT, LEFT._replace(device_id="GEV-c")], serial="7")
    assert told.startswith("2 cameras have serial '7'")
    assert "device_id" in told


def test_an_index_counts_in_the_order_of_the_ids_whatever_the_order_in_which_they_were_found():
    for devices in ([LEFT, RIGHT], [RIGHT, LEFT]):
        assert devices[choose(devices, index=0)] is RIGHT
        assert devices[choose(devices, model="acA640", index=1)] is LEFT


def test_an_index_counts_among_the_devices_of_its_model():
    assert choose([OTHER, LEFT, RIGHT], model="acA640", index=0) == 2


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([LEFT], "index 1: there are 1 cameras with model 'acA640'; counted from 0; there are: 0: Basler acA640"),
        ([], "index 1: there are 0 cameras with model 'acA640'; counted from 0; there are: none"),
        ([OTHER, OTHER], "index 1: there are 0 cameras with model"),
        ([NAMELESS._replace(model="acA640")] * 2, "index 1: cameras of the same id have no order"),
    ],
)
def test_an_index_without_a_device_or_without_an_order_is_refused(devices, said):
    assert said in refusal(devices, model="acA640", index=1)
