"""Run all of Almanac on one machine (`make run`): embedded servers, web process, scheduler and worker."""

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

from core import server_urls
from core.auth.bootstrap_admin import FIRST_ADMIN_HANDLED_VARIABLE, bootstrap_first_admin
from core.errors import BadInput, ServerUnavailable
from core.launcher.embedded import Servers
from core.launcher.processes import ChildProcess, exit_description, start_process
from core.settings import Settings

POLL_SECONDS = 0.1
WEB_START_TIMEOUT_SECONDS = 10.0
# A stop takes ten seconds at most.
CHILDREN_STOP_SECONDS = 8.5
SERVERS_STOP_SECONDS = 10.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """A signal asked the stack to stop. A BaseException, so that no handler of errors swallows it."""


@dataclass
class Stack:
    """The processes of `make run`. *settings* are validated; `run` returns after a stop signal."""

    settings: Settings
    print_line: Callable[[str], None]
    extra_environment: Mapping[str, str] = field(default_factory=dict)
    children: list[ChildProcess] = field(default_factory=list)
    servers: Servers | None = None
    url: str = ""
    is_announced: bool = False
    sign_in_hint: str = ""  # printed with the URL
    command_prefix: str = ""  # environment that printed commands need to find this database
    received_signals: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Start everything, print the URL and run until a signal. Raises AlmanacError if it cannot start."""
        self.settings = self.settings.model_copy(update={"port": free_port(self.settings.host, self.settings.port)})
        self.url = self.settings.base_url
        with raise_on_stop_signals(self.received_signals):
            try:
                self._start()
                while not self.received_signals:
                    self._supervise()
            except StopRequested:
                pass  # the signal is in `received_signals` too
            finally:
                ignore_stop_signals()
                if self.received_signals:
                    self.print_line("Stopping …")
                self._stop()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that all children share and that override `.env`."""
        return {
            "DATABASE_URL": self.database_url,
            "DATABASE_DIRECT_URL": self.settings.database_direct_url,
            "DATABASE_READ_URL": self.settings.database_read_url,
            "REDIS_URL": self.redis_url,
            "DATA_DIR": str(self.settings.data_dir.resolve()),
            "PORT": str(self.settings.port),
            FIRST_ADMIN_HANDLED_VARIABLE: "yes",
            **self.extra_environment,
        }

    @property
    def database_url(self) -> str:
        return self.settings.database_url or (self.servers.database_url if self.servers else "")

    @property
    def redis_url(self) -> str:
        return self.settings.redis_url or (self.servers.redis_url if self.servers else "")

    def start_child(self, name: str, *arguments: str, quiet: bool = False) -> None:
        """Start `python *arguments*`; it is restarted whenever it exits."""
        child = ChildProcess(name, [sys.executable, *arguments], self.environment, self.print_line, quiet)
        self.children.append(child)
        child.start()

    def run_command(self, *arguments: str, quiet: bool = False) -> bool:
        """Run `python *arguments*` to its end while supervising the children; return whether it succeeded."""
        process = start_process([sys.executable, *arguments], self.environment, quiet=quiet)
        try:
            while process.poll() is None and not self.received_signals:
                self._supervise()
        finally:
            if self.received_signals:
                process.terminate()
            code = process.wait()
        if self.received_signals:
            raise StopRequested
        if code:
            self.print_line(f"`python {' '.join(arguments)}` {exit_description(code)}.")
        return code == 0

    def prepare_data(self) -> None:
        """Write the data that the scheduler needs at its start."""
        self.run_command("-m", "ingest", "track", "--first-start")

    def finish_start(self) -> None:
        """Do what can wait until all processes run. For subclasses."""

    def _start(self) -> None:
        embedded = {"postgres": not self.settings.database_url, "redis": not self.settings.redis_url}
        if any(embedded.values()):
            bin_dir = self.settings.pg_bin_dir
            self.servers = Servers.for_data_dir(self.settings.data_dir, pg_bin_dir=bin_dir, durable=True, **embedded)
        # The servers' URLs are known before they run, so the slowest child can start loading.
        self.start_child("web process", "app.py")
        if self.servers:
            self.servers.acquire()
            if self.servers.is_data_elsewhere:
                self.print_line(
                    f"The data is in {self.servers.data_root}: Postgres' user cannot enter {self.settings.data_dir}."
                    " It stays there when that folder is deleted."
                )
        migrate_if_needed(self.settings.database_direct_url or self.database_url)
        self._ensure_first_admin()
        self._wait_for_web()
        self.prepare_data()
        self.start_child("scheduler", "-m", "ingest", "scheduler")
        self.start_child("worker", "-m", "ingest", "worker")
        self.finish_start()

    def _ensure_first_admin(self) -> None:
        hint = bootstrap_first_admin(self.database_url, self.settings, self.command_prefix)
        self.sign_in_hint = hint.later
        if hint.immediate_message:
            self.print_line(hint.immediate_message)

    def _wait_for_web(self) -> None:
        """Wait until the web process responds, so that it need not share the processor while it starts."""
        deadline = time.monotonic() + WEB_START_TIMEOUT_SECONDS
        while not self.received_signals and not self._announce() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    def _announce(self) -> bool:
        """Print the URL once the web process responds; return whether it was printed."""
        if not self.is_announced and is_healthy(self.settings.host, self.settings.port):
            self.is_announced = True
            self.print_line(f"Almanac is at {self.url} (Ctrl-C stops it).")
            if self.sign_in_hint:
                self.print_line(self.sign_in_hint)
        return self.is_announced

    def _supervise(self) -> None:
        for child in self.children:
            child.restart_if_ended(time.monotonic())
        self._restart_servers()
        self._announce()
        time.sleep(POLL_SECONDS)

    def _restart_servers(self) -> None:
        if self.servers and not self.servers.is_supervised():
            self.print_line("The supervisor of the embedded servers has exited; restarting them.")
            try:
                self.servers.acquire()
            except ServerUnavailable as error:
                self.print_line(f"{error}; retrying.")

    def _stop(self) -> None:
        started_at = time.monotonic()
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.wait_or_kill(started_at + CHILDREN_STOP_SECONDS)
        if self.servers:
            self.servers.release(wait_seconds=max(1.0, started_at + SERVERS_STOP_SECONDS - time.monotonic()))


def free_port(host: str, port: int) -> int:
    """Return *port*, or a free port for 0. Raises BadInput when *port* is in use or *host* is not of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # As servers do: connections in TIME_WAIT do not block the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except PermissionError:
            raise BadInput(f"Port {port} requires root; set PORT to another port") from None
        except socket.gaierror:
            raise BadInput(f"HOST is {host}, which is not an address of this machine") from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise BadInput(f"HOST is {host}, which is not an address of this machine") from None
            raise BadInput(
                f"Port {port} of {host} is in use; stop the process that listens there, or set PORT to another port"
            ) from None
        return int(listener.getsockname()[1])


def is_healthy(host: str, port: int) -> bool:
    """Return whether /health responds with another status than 503, which means that a server is unavailable."""
    connection = HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status != HTTPStatus.SERVICE_UNAVAILABLE
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def migrate_if_needed(database_url: str, progress: Callable[[str], None] = lambda _line: None) -> bool:
    """Migrate the database if needed and return whether it was; a current one costs few queries, no import of Alembic.

    A database with Citus is spread over its nodes, which *progress* reports line by line.
    Raises ServerUnavailable when the database cannot be reached.
    """
    import psycopg  # noqa: PLC0415 - loads while the web child does

    from core.db import migrations  # noqa: PLC0415
    from core.db.errors import connection_reason  # noqa: PLC0415

    try:
        if migrations.is_current(database_url):
            return migrations.distribute_if_needed(database_url, progress)
    except psycopg.Error as error:
        setting = server_urls.direct_database_setting()
        raise ServerUnavailable(f"Cannot connect to {setting}: {connection_reason(error)}") from error
    migrations.upgrade(database_url)
    migrations.distribute_if_needed(database_url, progress)
    return True


@contextlib.contextmanager
def raise_on_stop_signals(received: list[int]) -> Iterator[None]:
    """Raise StopRequested on a stop signal and append it to *received*: libraries may swallow the exception."""

    def stop(number: int, _frame: object) -> None:
        received.append(number)
        raise StopRequested

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_stop_signals() -> None:
    """Ignore further stop signals: a second Ctrl-C must not interrupt the shutdown, which is bounded in time."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
