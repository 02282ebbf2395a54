"""A stand-in for a payment provider: another process, with books of its own that no transaction of a shop reaches."""
