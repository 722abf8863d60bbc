"""[publisher]: what a section that says the least is to the process that has it."""

from aoi_daemon.config.publisher import PublisherSection


def test_it_goes_through_the_setup_message_unchanged():
    for keys in ({}, {"topic": "plant/aoi-1", "tls": {}, "username": "aoi"}):
        found = PublisherSection(host="broker", **keys)
        assert PublisherSection.model_validate_json(found.model_dump_json()) == found
