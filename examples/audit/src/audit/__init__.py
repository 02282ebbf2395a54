"""A durable audit of a Python environment."""
