"""Migrations for Tortoise's own tool: ``"migrations": "durable_tortoise.migrations"``.

One that was released never changes. A new column is a new file: `EnsureDurableTables()`, and
`ModelsOnly(AddField(...))` for what ``makemigrations`` would have written.
"""
