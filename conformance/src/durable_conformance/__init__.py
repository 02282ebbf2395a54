"""The behavioural suite that every state store has to pass."""
