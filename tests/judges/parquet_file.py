"""Reads a Parquet file by pyarrow and by DuckDB, and says of each column what its values are: their type, and a digest of all of them.

    parquet_file.py FILE"""
import datetime
import hashlib
import json
import sys

import duckdb
import pyarrow.parquet

file = sys.argv[1]


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.datetime):
        return str(round(value.timestamp() * 1000))
    return "-" if value is None else str(value)


def described(names, types, columns):
    found = {}
    for name, kind, values in zip(names, types, columns):
        digest = hashlib.sha256()
        for value in values:
            digest.update(text(value).encode() + b"\x1f")
        found[name] = {"type": str(kind), "digest": digest.hexdigest()}
    return found


by_arrow = pyarrow.parquet.ParquetFile(file)
table = by_arrow.read()
arrow = described(table.schema.names, table.schema.types, (column.to_pylist() for column in table.columns))

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
relation = connection.sql("SELECT * FROM read_parquet(?)", params=[file])
rows = relation.fetchall()
duck = described(relation.columns, relation.types, zip(*rows) if rows else ([] for _ in relation.columns))

print(
    json.dumps(
        {
            "rows": table.num_rows,
            "groups": by_arrow.num_row_groups,
            "names": table.schema.names,
            "by": by_arrow.metadata.created_by,
            "arrow": arrow,
            "duckdb": duck,
        }
    )
)
