"""uvicorn in a thread that stops at once: tests start and stop a hundred of them."""

import asyncio
import socket
from threading import Event, Thread

import uvicorn

TIMEOUT_SECONDS = 10


class ThreadedServer(uvicorn.Server):
    """Serves from a thread between `start` and `stop`.

    uvicorn polls every 100 ms for a stop and then waits 100 ms more; this one is signalled.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self._listener = listener
        self._ready = Event()
        self._thread = Thread(target=self.run, args=([listener],), name="sandbox", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._ready.wait(TIMEOUT_SECONDS):
            raise TimeoutError("the sandbox did not start")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop_requested.set)
        self._thread.join(TIMEOUT_SECONDS)
        self._listener.close()

    async def main_loop(self) -> None:
        self._loop, self._stop_requested = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        self._ready.set()
        await self._stop_requested.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for task in self.server_state.tasks:
            task.cancel()
        await asyncio.sleep(0)
