"""What tools share: the virtual environment of a shell script, numbers of a command line."""
