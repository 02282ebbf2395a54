"""The SQL of every durable store, once."""
