"""Train, judge and export the defect detector.

Process: offline, a tool. `labels` and `evaluate` need numpy alone; the rest needs the extra `train`.
"""
