"""The line's PLC, simulated: a Modbus/TCP server that tracks parts and ejects what was not passed in time."""
