"""Shared memory and doorbells between the stages."""
