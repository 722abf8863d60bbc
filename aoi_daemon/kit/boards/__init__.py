"""Procedural bare boards with known defects, in DeepPCB's layout.

Process: offline, a command. Nothing here runs on a line.
"""
