"""DATABASE_URL as libpq's connection parameters, which psycopg, ADBC, procrastinate, pg_dump and psql all understand.

A URL is read as libpq and SQLAlchemy read it; where they differ, both forms work. No driver is imported: settings are
validated in processes that never connect.
"""

import re
from urllib.parse import parse_qsl, unquote

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
# Lenient about unescaped characters in passwords.
URL_PATTERN = re.compile(
    r"(?P<scheme>[\w+]+)://(?:(?P<user>[^:/?]*)(?::(?P<password>[^?]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<dbname>[^?]*))?(?:\?(?P<query>.*))?"
)
MAX_PORT = 65535
DEFAULTS = {
    "connect_timeout": "5",
    # A server that vanishes without closing its connections is detected after 20 seconds.
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# The same for the server, which releases the locks and transactions of a host that vanished; its default is hours.
SERVER_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# May be repeated, or list several hosts separated by commas.
PER_HOST_PARAMETERS = ("host", "hostaddr", "port")


def parameters(url: str) -> dict[str, str]:
    """Return the parameters that *url* gives, and DEFAULTS for those that it does not.

    Raises ValueError with what is wrong; the URL may hold a password, so that no message quotes it.
    """
    match = URL_PATTERN.fullmatch(url)
    if match is None or match["scheme"] not in SCHEMES or not url.isprintable() or url.endswith("://"):
        raise ValueError("must be a URL that starts with postgresql:// or postgres://")
    given = {name: unquote(match[name]) for name in ("user", "password", "dbname") if match[name]}
    hosts, ports = _split_ports(match["hosts"].split(","))
    hosts = [unquote(host) for host in hosts]
    query: dict[str, str] = {}
    for name, value in parse_qsl(match["query"] or ""):
        is_repeated = name in query and name in PER_HOST_PARAMETERS
        query[name] = f"{query[name]},{value}" if is_repeated else value
    if "host" in query:
        hosts, query_ports = _split_ports(query.pop("host").split(","))
        ports = query_ports if any(query_ports) else ports
    if "port" in query:
        ports = query.pop("port").split(",")
    given |= query | _host_parameters(hosts, ports)
    if any("\0" in value for value in given.values()):
        raise ValueError("must not contain a NUL character")
    return DEFAULTS | given


def conninfo(url: str) -> str:
    """Return *url* as a connection string of libpq. Raises ProgrammingError for a parameter that does not exist."""
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - see the module's docstring

    return make_conninfo("", **parameters(url))


def check_parameters(url: str) -> None:
    """Raise ValueError if *url* cannot be read or has a parameter that libpq does not know."""
    from psycopg.pq import Conninfo  # noqa: PLC0415 - see the module's docstring

    unknown = parameters(url).keys() - {option.keyword.decode() for option in Conninfo.get_defaults()}
    if unknown:
        # Behind an unescaped @ or ? of a password, anything may look like a parameter.
        is_safe = url.count("?") == 1 and "@" not in url.partition("?")[2]
        name = f"the parameter {min(unknown)!r}" if is_safe else "a parameter"
        raise ValueError(f"has {name}, which libpq does not know")


def _host_parameters(hosts: list[str], ports: list[str]) -> dict[str, str]:
    ports = [port.strip() for port in ports]
    if any(port and not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT) for port in ports):
        raise ValueError(f"has a port that is not a number up to {MAX_PORT}")
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError("names several ports, but not one for each host")
    joined = {"host": ",".join(hosts), "port": ",".join(ports)}
    return {name: value for name, value in joined.items() if value.strip(",")}


def _split_ports(texts: list[str]) -> tuple[list[str], list[str]]:
    """Split `host:port`, `[IPv6]:port`, a bare IPv6 address or a socket's folder into host and port, '' without one."""
    hosts, ports = [], []
    for text in texts:
        bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text)
        if bracketed:
            host, port = bracketed[1], bracketed[2] or ""
        elif text.startswith(("/", "@")) or text.count(":") > 1:
            host, port = text, ""
        else:
            host, _, port = text.partition(":")
        hosts.append(host)
        ports.append(port)
    return hosts, ports
