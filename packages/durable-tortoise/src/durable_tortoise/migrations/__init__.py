"""Migrations for Tortoise's own tool: ``"migrations": "durable_tortoise.migrations"``. One released never changes."""
