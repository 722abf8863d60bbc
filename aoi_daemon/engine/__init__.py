"""Offline tool chain: from an ONNX model to a qualified bundle."""
