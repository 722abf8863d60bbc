"""OpenVINO: the processor that the line PC already has, its Intel GPU or its NPU."""
