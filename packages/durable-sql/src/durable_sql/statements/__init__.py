"""Every statement of the store, by noun: pure functions of a dialect and values."""
