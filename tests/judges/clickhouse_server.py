"""ClickHouse's own engine (chdb) behind as much of its HTTP interface as inserting needs. The table is the one that
docs/destinations/batch.md has people make.

Prints one line of JSON with the address; then, for each line of standard input, what stands in the table, as JSON."""
import gzip
import json
import pathlib
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb.session import Session

PAGE = pathlib.Path(__file__).parents[2] / "docs/destinations/batch.md"
UNKNOWN_TABLE = 60
# Words of the interface, not settings of a statement.
OF_THE_INTERFACE = {"query", "database", "wait_end_of_query"}

session = Session()
one_at_a_time = threading.Lock()


def run(statement, *form):
    with one_at_a_time:
        return session.query(statement, *form)


class Interface(BaseHTTPRequestHandler):
    def do_POST(self):
        words = dict(parse_qsl(urlsplit(self.path).query))
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        settings = ", ".join(f"{name}='{value}'" for name, value in words.items() if name not in OF_THE_INTERFACE)
        before, form = words["query"].rsplit(" FORMAT ", 1)
        try:
            run(f"{before} SETTINGS {settings} FORMAT {form}\n{body.decode()}")
            self.answer(200, "", None)
        except Exception as error:
            code = int(re.search(r"Code: (\d+)", str(error)).group(1))
            self.answer(404 if code == UNKNOWN_TABLE else 400, str(error), code)

    def answer(self, status, text, code):
        self.send_response(status)
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


table = re.search(r"CREATE TABLE opsknight_events.*?```", PAGE.read_text(), re.S).group(0).rstrip("`")
run("CREATE DATABASE ops")
run("USE ops")
run(table)
server = HTTPServer(("127.0.0.1", 0), Interface)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}/?database=ops"}), flush=True)

for _ in sys.stdin:
    rows = run(
        "SELECT id, event, toUnixTimestamp(timestamp) AS at, toString(incident.title) AS title,"
        " toString(incident.service.name) AS service FROM opsknight_events FINAL ORDER BY timestamp, id",
        "JSON",
    )
    print(json.dumps(json.loads(str(rows))["data"]), flush=True)
