"""What the audit says of a changed configuration where one of the two has no such thing."""

from dataclasses import replace

from aoi_daemon.config.changes import Change, changes
from tests.unit.config.test_reload import CAMERA, configuration


def test_files_that_nobody_had_looked_at_are_told_by_the_hash_that_they_have_now():
    old = configuration()
    new = replace(old, material={"demo": "a" * 64})
    assert changes(old, new) == [Change("recipes/demo files", None, "a" * 16)]
    assert changes(new, old) == [Change("recipes/demo files", "a" * 16, None)]


def test_of_a_camera_of_another_kind_the_keys_of_both_are_told():
    other = {"kind": "genicam", "producer": "a.cti"}
    told = {change.key: (change.was, change.now) for change in changes(configuration(), configuration(cameras=[other]))}
    assert told["cameras[0].kind"] == ("replay", "genicam")
    assert told["cameras[0].source"] == (CAMERA["source"], None)
    assert told["cameras[0].producer"] == (None, "a.cti")


def test_of_a_line_without_and_with_a_section_the_section_is_told():
    (change,) = changes(configuration(), configuration({"recorder": {}}))
    assert (change.key, change.was) == ("recorder", None) and change.now["days_images"] == 30
