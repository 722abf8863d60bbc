"""TensorRT: one adapter for the library, one for CUDA, and the executor on both."""
