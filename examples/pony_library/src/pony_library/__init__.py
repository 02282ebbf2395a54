"""A lending library whose loans are durable workflows."""
