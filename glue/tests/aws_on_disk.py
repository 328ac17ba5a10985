"""What publish-to-warehouse asks of AWS, on loopback: S3 lists the files of a folder, and a Glue catalog knows one table."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

PAGE = 2


class AwsOnDisk(ThreadingHTTPServer):
    """`partitions` holds what was registered: the location by the partition's value."""

    def __init__(self, buckets: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets = buckets
        self.partitions: dict[str, str] = {}
        self.calls: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def list_objects(self, bucket: str, query: dict[str, list[str]]) -> str:
        """A page of ListObjectsV2; pages are short, so that whoever reads only the first is found out."""
        folder = self.buckets / bucket
        keys = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        found = [key for key in keys if key.startswith(query["prefix"][0])]
        start = int(query.get("continuation-token", ["0"])[0])
        entries = []
        for key in found[start : start + PAGE]:
            content = (folder / key).read_bytes()
            etag = hashlib.md5(content).hexdigest()
            entries.append(f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>&quot;{etag}&quot;</ETag></Contents>")
        is_cut = len(found) > start + PAGE
        token = f"<NextContinuationToken>{start + PAGE}</NextContinuationToken>" if is_cut else ""
        return f"<ListBucketResult>{''.join(entries)}<IsTruncated>{str(is_cut).lower()}</IsTruncated>{token}</ListBucketResult>"

    def call_glue(self, action: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append(action)
        if action == "GetTable":
            return 200, {"Table": {"Name": body["Name"], "StorageDescriptor": {"Columns": [], "Location": "s3://warehouse/table/"}}}
        value, location = body["PartitionInput"]["Values"][0], body["PartitionInput"]["StorageDescriptor"]["Location"]
        if action == "CreatePartition" and value in self.partitions:
            return 400, {"__type": "AlreadyExistsException", "Message": "Partition already exists."}
        self.partitions[value] = location
        return 200, {}


class _Handler(BaseHTTPRequestHandler):
    server: AwsOnDisk

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self._answer(200, self.server.list_objects(address.path.strip("/"), parse_qs(address.query)), "application/xml")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.call_glue(self.headers["X-Amz-Target"].rpartition(".")[2], body)
        self._answer(status, json.dumps(answer), "application/x-amz-json-1.1")

    def _answer(self, status: int, text: str, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are seen in what they leave."""


@contextmanager
def aws_on_disk(buckets: Path) -> Iterator[AwsOnDisk]:
    with AwsOnDisk(buckets) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
