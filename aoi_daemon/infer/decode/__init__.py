"""From a model's outputs to detections, a module for each kind of head."""
