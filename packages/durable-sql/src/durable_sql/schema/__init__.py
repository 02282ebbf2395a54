"""The tables: declared, created, inspected, healed."""
