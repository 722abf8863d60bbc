"""ONNX to TensorRT: the network, its calibration, the build and its report."""
