"""A sandbox GitHub in a process of its own: it shares no interpreter with what is measured."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from ingest.sandbox import Sandbox, World, serve

Result = TypeVar("Result")
TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class SandboxProcess:
    """Where it is, and a way to have something done there."""

    url: str
    logins: list[str]
    _pipe: Connection

    def call(self, act: Callable[..., Result], *given: Any) -> Result:
        """Call *act*, a function of a module, in the other process with its sandbox and *given*."""
        self._pipe.send((act, given))
        if not self._pipe.poll(TIMEOUT_SECONDS):
            raise TimeoutError(f"the sandbox GitHub did not finish {act.__name__}")
        done: Result = self._pipe.recv()
        return done


@contextmanager
def sandbox_process(*, latency_ms: float = 0, **world: Any) -> Iterator[SandboxProcess]:
    """Run one while the block lasts; *world* is what `World` takes."""
    ours, theirs = multiprocessing.Pipe()
    # A fresh interpreter: a fork would copy locks that threads of ours hold.
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, latency_ms, world), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(TIMEOUT_SECONDS):
            raise TimeoutError("the sandbox GitHub did not start")
        yield SandboxProcess(*ours.recv(), ours)
    finally:
        ours.close()
        process.join(5)
        process.kill()


def _serve(pipe: Connection, latency_ms: float, world: dict[str, Any]) -> None:
    with serve(World(**world), latency_ms=latency_ms) as sandbox:
        pipe.send((sandbox.url, sandbox.world.logins()))
        while True:
            try:
                act, given = pipe.recv()
            except EOFError:
                return
            pipe.send(act(sandbox, *given))


def set_latency(sandbox: Sandbox, milliseconds: float) -> None:
    sandbox.latency_ms = milliseconds
