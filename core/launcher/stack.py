"""The whole of Almanac on one machine: servers, web, scheduler and worker, started together and stopped together."""

import contextlib
import errno
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from core.auth.bootstrap_admin import FIRST_ADMIN_HANDLED_VARIABLE, bootstrap_first_admin
from core.errors import BadInput, ServerUnavailable
from core.launcher.embedded import Servers
from core.launcher.processes import ChildProcess, exit_description, start_process
from core.settings import Settings

POLL_SECONDS = 0.1
WEB_START_TIMEOUT_SECONDS = 10.0
# Together they stay within the ten seconds that a stop may take.
CHILDREN_STOP_SECONDS = 8.5
SERVERS_STOP_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Somebody asked all of it to stop."""


@dataclass
class Stack:
    """What `make run` is. Built from settings that were checked; `run` returns after a stop."""

    wanted: Settings
    say: Callable[[str], None]
    more_environment: Mapping[str, str] = field(default_factory=dict)
    children: list[ChildProcess] = field(default_factory=list)
    servers: Servers | None = None
    address: str = ""
    is_announced: bool = False
    sign_in_hint: str = ""  # how to sign in, said with the address
    command_prefix: str = ""  # what a command needs before it to find this database
    asked: list[int] = field(default_factory=list)  # the signals that asked it to stop

    def run(self) -> None:
        """Start everything and keep it running until a signal. Raises AlmanacError when it cannot start."""
        self.wanted = self.wanted.model_copy(update={"port": free_port(self.wanted.host, self.wanted.port)})
        self.address = self.wanted.address
        with raise_on_stop_signals(self.asked):
            try:
                self._start()
                while not self.asked:
                    self._supervise()
            except StopRequested:
                pass  # it is in `asked` as well
            finally:
                ignore_stop_signals()
                if self.asked:
                    self.say("Stopping …")
                self._stop()

    @property
    def environment(self) -> dict[str, str]:
        """What children must agree about, whatever `.env` says."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "DATA_DIR": str(self.wanted.data_dir.resolve()),
            "PORT": str(self.wanted.port),
            FIRST_ADMIN_HANDLED_VARIABLE: "yes",
            **self.more_environment,
        }

    @property
    def database_url(self) -> str:
        return self.wanted.database_url or (self.servers.database_url if self.servers else "")

    @property
    def redis_url(self) -> str:
        return self.wanted.redis_url or (self.servers.redis_url if self.servers else "")

    def add(self, name: str, *arguments: str, quiet: bool = False) -> None:
        """Start a child that runs as long as we do."""
        child = ChildProcess(name, [sys.executable, *arguments], self.environment, self.say, quiet)
        self.children.append(child)
        child.start()

    def run_command(self, *arguments: str, quiet: bool = False) -> bool:
        """Run one command to its end, looking after the others meanwhile."""
        process = start_process([sys.executable, *arguments], self.environment, quiet=quiet)
        try:
            while process.poll() is None and not self.asked:
                self._supervise()
        finally:
            if self.asked:
                process.terminate()
            code = process.wait()
        if self.asked:
            raise StopRequested
        if code:
            self.say(f"`python {' '.join(arguments)}` {exit_description(code)}.")
        return code == 0

    def prepare_data(self) -> None:
        """What has to be there when the scheduler starts."""
        self.run_command("-m", "ingest", "track", "--first-start")

    def after_start(self) -> None:
        """What can wait until all of it runs."""

    def _start(self) -> None:
        own = {"postgres": not self.wanted.database_url, "redis": not self.wanted.redis_url}
        if any(own.values()):
            bin_dir = self.wanted.pg_bin_dir
            self.servers = Servers.at(self.wanted.data_dir, pg_bin_dir=bin_dir, durable=True, **own)
        # The addresses are known before the servers run, so that the slowest child loads meanwhile.
        self.add("web process", "app.py")
        if self.servers:
            self.servers.hold()
        migrate_if_needed(self.database_url)
        self._ensure_first_admin()
        self._wait_for_web()
        self.prepare_data()
        self.add("scheduler", "-m", "ingest", "scheduler")
        self.add("worker", "-m", "ingest", "worker")
        self.after_start()

    def _ensure_first_admin(self) -> None:
        found = bootstrap_first_admin(self.database_url, self.wanted, self.command_prefix)
        self.sign_in_hint = found.later
        if found.immediate_message:
            self.say(found.immediate_message)

    def _wait_for_web(self) -> None:
        """Leave it the processor until it answers: nobody waits for the others."""
        until = time.monotonic() + WEB_START_TIMEOUT_SECONDS
        while not self.asked and not self._announce() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)

    def _announce(self) -> bool:
        """Say where Almanac is, once it is there."""
        if not self.is_announced and is_healthy(self.wanted.host, self.wanted.port):
            self.is_announced = True
            self.say(f"Almanac is at {self.address} (Ctrl-C stops it).")
            if self.sign_in_hint:
                self.say(self.sign_in_hint)
        return self.is_announced

    def _supervise(self) -> None:
        for child in self.children:
            child.look(time.monotonic())
        self._restart_servers()
        self._announce()
        time.sleep(POLL_SECONDS)

    def _restart_servers(self) -> None:
        if self.servers and not self.servers.is_supervised():
            self.say("The embedded servers have lost their supervisor; they are started again.")
            try:
                self.servers.hold()
            except ServerUnavailable as error:
                self.say(f"{error}; trying again.")

    def _stop(self) -> None:
        began = time.monotonic()
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait_or_kill(began + CHILDREN_STOP_SECONDS)
        if self.servers:
            self.servers.release(wait_seconds=max(1.0, began + SERVERS_STOP_SECONDS - time.monotonic()))


def free_port(host: str, port: int) -> int:
    """Return *port*, or a free one for 0. Raises BadInput when something listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # As servers do: what a connection closed a minute ago left behind is no obstacle.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except PermissionError:
            raise BadInput(f"Port {port} is for root only; set PORT to another") from None
        except socket.gaierror:
            raise BadInput(f"HOST is {host}, which is no address of this machine") from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise BadInput(f"HOST is {host}, which is no address of this machine") from None
            raise BadInput(f"Port {port} of {host} is taken; stop what listens there, or set PORT to another") from None
        return int(listener.getsockname()[1])


def is_healthy(host: str, port: int) -> bool:
    """Ask as anybody would; 503 is what it answers until it reached both servers."""
    connection = HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status != HTTPStatus.SERVICE_UNAVAILABLE
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def migrate_if_needed(database_url: str) -> bool:
    """Migrate, and tell whether there was anything to do: a current database costs one query, no import of Alembic.

    Raises ServerUnavailable when the database cannot be reached.
    """
    import psycopg  # noqa: PLC0415 - loads while the web child does

    from core.db import migrations  # noqa: PLC0415

    try:
        if migrations.is_current(database_url):
            return False
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[-1]
        raise ServerUnavailable(f"DATABASE_URL cannot be used: {reason}") from error
    migrations.upgrade(database_url)
    return True


@contextlib.contextmanager
def raise_on_stop_signals(asked: list[int]) -> Iterator[None]:
    """Raise Stopped wherever the work is, and note it: libraries may swallow what is raised in their callbacks."""

    def stop(number: int, _frame: object) -> None:
        asked.append(number)
        raise StopRequested

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_stop_signals() -> None:
    """A second Ctrl-C must not leave half of it running; stopping is bounded in time anyway."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
