"""The plc stage: verdicts to coils, the deadline, the heartbeat."""
