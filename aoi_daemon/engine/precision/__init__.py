"""What is done to an ONNX graph before a bundle: frames wrapped, ranges found, FP16 and INT8 made, both linted."""
