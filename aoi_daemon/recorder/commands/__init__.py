"""The commands on the records: `aoi-daemon export`, `replay`, `audit`, `clock`."""
