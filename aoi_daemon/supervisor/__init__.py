"""The supervisor: owns shared memory, starts and watches the stages, answers commands."""
