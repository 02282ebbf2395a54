"""A shop whose checkout is a durable workflow, on an event loop."""
