"""Scripts for `playhouse.migrations`, in the order of their numbers. One that was released never changes."""
