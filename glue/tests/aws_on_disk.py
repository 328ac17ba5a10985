"""What the jobs ask of AWS, on loopback.

S3 lists the files of a folder, a Glue catalog knows tables and one set of partitions, and DynamoDB holds one claimed row.
"""

import hashlib
import json
import re
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
    """`partitions` holds what was registered: the location by the partition's values. `night` is the row that somebody has claimed."""

    def __init__(self, buckets: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets = buckets
        self.partitions: dict[str, str] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.night: dict[str, dict[str, str]] = {}
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

    def call_dynamodb(self, action: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """UpdateItem, with the one condition that the jobs have: that the row is its owner's, with the owner's claim."""
        self.calls.append(action)
        (marked,) = re.fullmatch(r"SET (\w+) = :now", body["UpdateExpression"]).groups()
        values = body["ExpressionAttributeValues"]
        assert body["ExpressionAttributeNames"] == {"#owner": "owner"}
        assert body["ConditionExpression"] == "#owner = :owner AND claim = :claim"
        is_there = all(self.night.get(name) == value for name, value in body["Key"].items())
        if not is_there or (self.night["owner"], self.night["claim"]) != (values[":owner"], values[":claim"]):
            return 400, {"__type": "ConditionalCheckFailedException", "message": "The conditional request failed"}
        self.night[marked] = values[":now"]
        return 200, {}

    def call_glue(self, action: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.calls.append(action)
        match action:
            case "GetTable":
                described = {"Name": body["Name"], "StorageDescriptor": {"Columns": [], "Location": "s3://warehouse/table/"}}
                return 200, {"Table": self.tables.get(body["Name"], described)}
            case "CreateTable" if body["TableInput"]["Name"] in self.tables:
                return 400, {"__type": "AlreadyExistsException", "Message": "Table already exists."}
            case "CreateTable" | "UpdateTable":
                self.tables[body["TableInput"]["Name"]] = body["TableInput"]
                return 200, {}
            case "DeletePartition" if "/".join(body["PartitionValues"]) not in self.partitions:
                return 400, {"__type": "EntityNotFoundException", "Message": "Cannot find partition."}
            case "DeletePartition":
                del self.partitions["/".join(body["PartitionValues"])]
                return 200, {}
        values, location = "/".join(body["PartitionInput"]["Values"]), body["PartitionInput"]["StorageDescriptor"]["Location"]
        if action == "CreatePartition" and values in self.partitions:
            return 400, {"__type": "AlreadyExistsException", "Message": "Partition already exists."}
        self.partitions[values] = location
        return 200, {}


class _Handler(BaseHTTPRequestHandler):
    server: AwsOnDisk

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self._answer(200, self.server.list_objects(address.path.strip("/"), parse_qs(address.query)), "application/xml")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        service, _, action = self.headers["X-Amz-Target"].rpartition(".")
        call = self.server.call_dynamodb if service.startswith("DynamoDB") else self.server.call_glue
        status, answer = call(action, body)
        self._answer(status, json.dumps(answer), self.headers["Content-Type"])

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
