"""What a key alone cannot show to be wrong: sections checked with the machine and with each other."""
