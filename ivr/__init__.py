"""One caller's way through the voice menu, as a pure state machine."""
