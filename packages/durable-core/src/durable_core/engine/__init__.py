"""The engine: written once, in `async def`, over store, runtime and registry."""
