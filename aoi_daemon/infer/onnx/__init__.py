"""ONNX Runtime on the CPU, and what an ONNX file says of itself."""
