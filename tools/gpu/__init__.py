"""The TensorRT back end measured and held against its vendor. Process: offline, a tool."""
