"""Results and alarms to an MQTT broker: stored in the records first, forwarded until the broker has confirmed them."""
