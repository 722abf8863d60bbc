"""Compare ways to train the detector: several seeds each, on boards whose board group was held out.

Process: offline, a tool. Needs PyTorch and numpy; `pack` reads pictures, `run` reads the packed file alone.
"""
