"""A shop whose checkout is a durable workflow."""
