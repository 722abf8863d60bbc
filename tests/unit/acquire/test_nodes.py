"""Settings against fakes of GenApi's nodes, for what viky's nodes cannot do."""

import pytest

from aoi_daemon.acquire import nodes
from aoi_daemon.config.schema import NodeSetting
from aoi_daemon.errors import CameraSettingError

READ_ONLY, WRITE_ONLY, READ_WRITE = 3, 2, 4


class RefusedError(Exception):
    """Stands in for genapi's GenericException."""


class FakeNode:
    """What the node map hands out; `keeps` is what the camera makes of a value."""

    min, max, unit = 10, 1000, "us"

    def __init__(self, keeps=lambda value: value, mode=READ_WRITE, inc=None):
        self.node = self
        self.mode, self.keeps, self.step = mode, keeps, inc
        self.kept = None

    def get_access_mode(self):
        return self.mode

    def set_value(self, value):
        self.kept = self.keeps(value)

    def get_value(self, verify, ignore_cache):
        assert ignore_cache, "what was just written is in the cache"
        return self.kept

    @property
    def inc(self):
        if self.step is None:
            raise RefusedError("no increment")
        return self.step


class IInteger(FakeNode):
    pass


class IFloat(FakeNode):
    pass


class IString(FakeNode):
    pass


class ICommand(FakeNode):
    asked = 0

    def execute(self):
        self.kept = "executed"

    def is_done(self):
        self.asked += 1
        return self.asked > 3


class FakeNodeMap:
    def __init__(self, **found):
        self.found = found

    def has_node(self, name):
        return name in self.found

    def get_node(self, name):
        return self.found[name]

    def __dir__(self):
        return list(self.found)


def apply(node, value):
    nodes.apply(FakeNodeMap(Gain=node), [NodeSetting(node="Gain", value=value)], (RefusedError,))
    return node.kept


def refusal(node, value):
    with pytest.raises(CameraSettingError) as caught:
        apply(node, value)
    return str(caught.value)


def test_a_value_that_the_camera_did_not_keep_is_refused_with_what_it_made_of_it():
    told = refusal(IInteger(keeps=lambda _: 16), 20)
    assert told == "Gain = 20: the camera made 16 of it, 10 to 1000 us"


@pytest.mark.parametrize(("value", "kept"), [(100.0, 100.09), (100, 99.95)])
def test_a_float_may_be_rounded_by_a_thousandth(value, kept):
    assert apply(IFloat(keeps=lambda _: kept), value) == kept


def test_a_float_may_be_rounded_by_the_nodes_own_step():
    assert apply(IFloat(keeps=lambda _: 96.0, inc=8.0), 100.0) == 96.0
    assert "made 88.0 of it" in refusal(IFloat(keeps=lambda _: 88.0, inc=8.0), 100.0)


def test_a_float_that_is_off_is_refused():
    assert "made 98.0 of it" in refusal(IFloat(keeps=lambda _: 98.0), 100.0)


def test_text_is_read_back_too():
    assert apply(IString(), "top") == "top"
    assert "made 'to' of it" in refusal(IString(keeps=lambda text: text[:2]), "top")


def test_a_node_that_cannot_be_read_is_written_all_the_same():
    assert apply(IInteger(mode=WRITE_ONLY), 20) == 20


def test_a_node_that_cannot_be_written_is_not():
    node = IInteger(mode=READ_ONLY)
    assert "read-only" in refusal(node, 20)
    assert node.kept is None


def test_a_refusal_of_the_camera_is_told_with_its_reason():
    def refuse(value):
        raise RefusedError("locked while grabbing")

    assert refusal(IInteger(keeps=refuse), 20) == "Gain = 20: refused, 10 to 1000 us: locked while grabbing"


def test_a_fault_that_is_no_refusal_is_not_made_one():
    def unplugged(value):
        raise OSError("device lost")

    with pytest.raises(OSError, match="device lost"):
        apply(IInteger(keeps=unplugged), 20)


def test_a_command_is_executed_and_waited_for(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    node = ICommand()
    assert apply(node, True) == "executed"
    assert node.asked == 4


def test_a_command_that_never_ends_is_refused(monkeypatch):
    seconds = iter(range(100))
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    node = ICommand()
    node.is_done = lambda: False
    assert refusal(node, True) == "Gain: the command was not done after 10 s"
