from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["backends"]

# A busy machine is no failure of a property.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
