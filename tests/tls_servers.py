"""Postgres and Redis or Valkey that take connections over TCP with TLS and passwords only, from Debian's packages.

The bundled Postgres and Valkey are built without TLS: they listen on sockets of their machine.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg import sql

from core.launcher.embedded.binaries import PostgresBinaries, find_postgres
from core.launcher.embedded.postgres import NOT_DURABLE_SETTINGS
from core.launcher.embedded.server_folders import ServerUser, find_server_folders
from tests.debian_programs import find_program
from tests.pgbouncer import free_port, is_closed

PASSWORD = "p@ss/word"
START_SECONDS = 60


@dataclass(frozen=True)
class TlsServers:
    """What other hosts are given: two URLs with passwords and the file of the authority that signed for both."""

    database_url: str
    redis_url: str
    authority: Path
    socket_url: str
    """The same database on this machine, without TLS."""


@contextmanager
def tls_servers(address: str) -> Iterator[TlsServers]:
    """Run both on *address* of this machine; skips the test where one of them cannot do TLS."""
    binaries, redis = _postgres_with_tls(), _redis_with_tls()
    folder = Path(tempfile.mkdtemp(prefix="almanac-tls-", dir="/tmp"))
    folder.chmod(0o711)  # as root the servers run as another user, who has to pass
    user = find_server_folders(folder / "data").user
    running: list[subprocess.Popen[bytes]] = []
    try:
        authority = write_certificates(folder, address)
        for name in ("postgres", "redis"):
            user.make_private_folder(folder / name)
            for file in (folder / "server.pem", folder / "server.key"):
                shutil.copy(file, folder / name)
                _give_to(user, folder / name / file.name)
        database_port, redis_port = free_port(), free_port()
        running += [
            _start_postgres(binaries, user, folder / "postgres", address, database_port),
            _start_redis(redis, user, folder / "redis", address, redis_port),
        ]
        socket_url = f"postgresql://almanac@/postgres?host={folder / 'postgres'}&port={database_port}"
        _wait_until(lambda: _is_ready(socket_url) and not is_closed(redis_port, address), running)
        with psycopg.connect(socket_url, autocommit=True) as admin:
            admin.execute(sql.SQL("ALTER ROLE almanac PASSWORD {}").format(PASSWORD))
        password = quote(PASSWORD, safe="")
        yield TlsServers(
            f"postgresql://almanac:{password}@{address}:{database_port}/postgres"
            f"?sslmode=verify-full&sslrootcert={authority}",
            f"rediss://:{password}@{address}:{redis_port}/0?ssl_ca_certs={authority}",
            authority,
            socket_url,
        )
    finally:
        for process in running:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def write_certificates(folder: Path, address: str) -> Path:
    """Write `server.pem` and `server.key` for *address*; return the path of the certificate that signed them."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
    server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    own = _certificate(authority, authority_key.public_key(), authority)
    own = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    theirs = _certificate(server, key.public_key(), authority)
    theirs = theirs.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
    for name, certificate in (("authority.pem", own), ("server.pem", theirs)):
        signed = certificate.sign(authority_key, hashes.SHA256())
        (folder / name).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "authority.pem"


def _certificate(subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _postgres_with_tls() -> PostgresBinaries:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
    if not folders:
        pytest.skip("there is no Postgres of Debian's packages: the bundled one has no TLS")
    return find_postgres(str(folders[-1]))


def _redis_with_tls() -> str:
    return shutil.which("valkey-server") or find_program("redis-server")


def _give_to(user: ServerUser, file: Path) -> None:
    file.chmod(0o600)
    if user.is_other_user:
        shutil.chown(file, user.uid, user.gid)


def _start_postgres(
    binaries: PostgresBinaries, user: ServerUser, folder: Path, address: str, port: int
) -> subprocess.Popen[bytes]:
    cluster = folder / "cluster"
    options = {"cwd": "/", "env": binaries.environment, **user.subprocess_arguments()}
    initdb = [str(binaries.folder / "initdb"), "-D", str(cluster), "-U", "almanac", "--no-sync", "--encoding=UTF8"]
    subprocess.run([*initdb, "--locale=C.UTF-8", "--auth-local=trust"], check=True, capture_output=True, **options)
    (cluster / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
    settings = {
        **NOT_DURABLE_SETTINGS,
        "listen_addresses": address,
        "port": str(port),
        "unix_socket_directories": str(folder),
        "ssl": "on",
        "ssl_cert_file": str(folder / "server.pem"),
        "ssl_key_file": str(folder / "server.key"),
        "password_encryption": "scram-sha-256",
    }
    command = [str(binaries.folder / "postgres"), "-D", str(cluster)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def _start_redis(program: str, user: ServerUser, folder: Path, address: str, port: int) -> subprocess.Popen[bytes]:
    settings = {
        "port": "0",
        "tls-port": str(port),
        "bind": address,
        "tls-cert-file": str(folder / "server.pem"),
        "tls-key-file": str(folder / "server.key"),
        "tls-auth-clients": "no",
        "requirepass": PASSWORD,
        "save": "",
        "dir": str(folder),
    }
    command = [program]
    for name, value in settings.items():
        command += [f"--{name}", value]
    return subprocess.Popen(
        command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user.subprocess_arguments()
    )


def _is_ready(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_until(condition: Callable[[], bool], running: "list[subprocess.Popen[bytes]]") -> None:
    until = time.monotonic() + START_SECONDS
    while not condition():
        assert all(process.poll() is None for process in running), "a server with TLS ended"
        assert time.monotonic() < until, "a server with TLS did not start"
        time.sleep(0.05)
