"""Shifts: their times, their figures, their report."""
