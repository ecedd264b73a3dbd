"""ASGI middleware, one concern per module; `stack.py` has their order."""
