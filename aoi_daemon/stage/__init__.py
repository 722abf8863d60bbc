"""What every process of the line has: its start, its cell on the board, log, service manager, control socket."""
