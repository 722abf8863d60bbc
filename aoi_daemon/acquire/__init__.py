"""The acquire stage: cameras into the frame ring."""
