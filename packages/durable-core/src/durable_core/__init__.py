"""Durable workflows: records, store protocol, engine and worker."""
