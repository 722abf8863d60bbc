"""Judgement: pure functions from detections to a verdict."""
