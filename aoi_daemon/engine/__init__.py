"""Offline tool chain: from an ONNX model to a bundle, and what labelled boards show of a product."""
