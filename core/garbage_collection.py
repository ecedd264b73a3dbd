"""Import without garbage collection: nearly all that an import makes stays, and each collection goes through it."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_garbage_collection() -> Iterator[None]:
    """Do not collect garbage in this block, and exempt all objects that exist at its end from later collections."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
