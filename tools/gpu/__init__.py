"""The TensorRT back end measured and compared with its vendor's. Process: offline, a tool."""
