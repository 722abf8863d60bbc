"""Procedural bare boards with known defects, in DeepPCB's layout.

Process: offline, a tool. Nothing here runs on the line and nothing here is installed with the daemon.
"""
