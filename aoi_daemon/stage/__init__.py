"""What every process of the line stands on: its start, its cell on the board, log, service manager, control socket."""
