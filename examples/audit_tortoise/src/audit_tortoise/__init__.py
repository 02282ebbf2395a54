"""A durable audit of a Python environment, on Tortoise."""
