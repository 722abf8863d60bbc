"""The line in virtual time: the daemon's own plc stage, the shipped PLC program, and a world that does its worst."""
