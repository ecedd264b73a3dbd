"""A sandbox GitHub over real HTTP, for tests, benchmarks and for trying Almanac offline.

with serve(World(accounts=40, seed=7), latency_ms=80) as sandbox:
    ...  # GITHUB_API_URL=sandbox.url, GITHUB_TOKENS=sandbox-token-1
"""

from ingest.sandbox.command import main
from ingest.sandbox.server.asgi import Sandbox, serve
from ingest.sandbox.world.history_file import write_history
from ingest.sandbox.world.population import World

__all__ = ["Sandbox", "World", "main", "serve", "write_history"]
