"""What newcomers need and no line does: a simulated PLC, drawn boards, a demo line. Nothing of a line imports it."""
