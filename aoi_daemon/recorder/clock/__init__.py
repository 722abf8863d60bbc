"""The records' own clock: what time it is for a record, however the wall clock is moved."""
