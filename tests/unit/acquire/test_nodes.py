"""Settings against fakes of GenApi's nodes, for what viky's nodes cannot do."""

import pytest

from aoi_daemon.acquire import nodes
from aoi_daemon.config.cameras import NodeSetting
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


@pytest.mark.parametrize(("value", "kept"), [(100.0, 100.9), (100, 99.05), (100.0, 100.0), (-100.0, -99.5)])
def test_a_float_may_be_rounded_by_a_hundredth_and_that_is_told(value, kept):
    node = IFloat(keeps=lambda _: kept)
    told = nodes.apply(FakeNodeMap(Gain=node), [NodeSetting(node="Gain", value=value)], (RefusedError,))
    assert told == ([("Gain", value, kept)] if kept != value else [])


@pytest.mark.parametrize(
    ("tolerance_percent", "kept", "taken"), [(5, 95.5, True), (5, 94.0, False), (0, 100.0, True), (0, 100.1, False)]
)
def test_the_tolerance_is_the_settings(tolerance_percent, kept, taken):
    setting = NodeSetting(node="ExposureTime", value=100.0, tolerance_percent=float(tolerance_percent))
    node_map = FakeNodeMap(ExposureTime=IFloat(keeps=lambda _: kept))
    if taken:
        nodes.apply(node_map, [setting], (RefusedError,))
        return
    with pytest.raises(CameraSettingError) as caught:
        nodes.apply(node_map, [setting], (RefusedError,))
    assert f"ExposureTime = 100.0: the camera made {kept!r} of it" in str(caught.value)


@pytest.mark.parametrize("kept", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_rounding(kept):
    assert f"the camera made {kept!r} of it" in refusal(IFloat(keeps=lambda _: kept), 100.0)


def test_a_whole_number_must_be_kept_and_its_steps_are_told():
    told = refusal(IInteger(keeps=lambda _: 96, inc=16), 100)
    assert told == "Gain = 100: the camera made 96 of it, 10 to 1000 us in steps of 16"


def test_a_float_may_be_rounded_by_the_nodes_own_step():
    assert apply(IFloat(keeps=lambda _: 96.0, inc=8.0), 100.0) == 96.0
    assert "made 88.0 of it" in refusal(IFloat(keeps=lambda _: 88.0, inc=8.0), 100.0)


def test_a_float_that_is_off_is_refused():
    told = refusal(IFloat(keeps=lambda _: 98.0), 100.0)
    assert "made 98.0 of it, more than 1 off (tolerance_percent = 1)" in told


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


class Streaming(FakeNodeMap):
    """A camera that another process has left streaming: it takes no setting until it has been stopped."""

    def __init__(self, *, stoppable=True):
        self.exposure, self.locked, self.halt = IFloat(), IInteger(), ICommand()
        self.locked.kept = 1
        self.exposure.get_access_mode = lambda: READ_ONLY if self.streams else READ_WRITE
        self.streams = True
        self.done = []

        def execute():
            if not stoppable:
                raise RefusedError("not now")
            self.streams = False
            self.done.append("AcquisitionStop")

        self.halt.execute = execute
        self.halt.is_done = lambda: True
        super().__init__(ExposureTime=self.exposure, TLParamsLocked=self.locked, AcquisitionStop=self.halt)


def test_a_camera_left_streaming_is_stopped_and_unlocked_before_it_is_set():
    camera = Streaming()
    assert nodes.stop(camera, (RefusedError,)) == ""
    assert (camera.done, camera.locked.kept) == (["AcquisitionStop"], 0)
    nodes.apply(camera, [NodeSetting(node="ExposureTime", value=100.0)], (RefusedError,))
    assert camera.exposure.kept == 100.0


def test_a_camera_that_cannot_be_stopped_is_said_to_stream_where_it_refuses_a_setting():
    camera = Streaming(stoppable=False)
    camera.locked.set_value = lambda _: None
    assert "AcquisitionStop: not now" in nodes.stop(camera, (RefusedError,))
    with pytest.raises(CameraSettingError) as caught:
        nodes.apply(camera, [NodeSetting(node="ExposureTime", value=100.0)], (RefusedError,))
    assert "the node is read-only now (the camera is streaming and could not be stopped: switch it off and on)" in str(
        caught.value
    )


def test_a_camera_without_these_nodes_has_nothing_to_be_stopped_by():
    assert nodes.stop(FakeNodeMap(), (RefusedError,)) == ""
