"""A bucket is a folder: what Spark writes there is in S3, and what S3 stores there is all that Spark finds.

AWS has one store that all its services see. Locally that store is the disk below S3_DATA_DIR, so that Spark and DuckDB
read and write the very files.

MiniStack 1.5.33 (S3_PERSIST=1) puts a `*.meta.json` beside each object, which breaks a plain read of the folder, and
looks at the disk at its start only: a file that somebody else wrote, changed or removed does not count, a bucket from a
template has no folder, and folders from before are buckets that no template can make again. Here a request first looks
at the files that it is about, and a new bucket takes over what lies in its folder. An object's size, ETag (the MD5 of
its bytes) and date follow its file. Files named `.*.crc`, which Hadoop leaves beside what it writes, are no objects.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ministack.core.responses import get_account_id
from ministack.services import s3

from emulator.replacing import replaces

_SIDECAR = ".meta.json"
_Signature = tuple[int, int, int]
# What a file looked like when its object was last described. An object that S3 itself wrote keeps the ETag it got.
_described: dict[str, _Signature] = {}


@replaces("ministack.services.s3:_atomic_write", "24958052a85fea7c")
def write(stock: Callable[..., None], path: str, data: bytes, *, text: bool = False) -> None:
    """Write an object's file and remember it; sidecars are not written."""
    if path.endswith(_SIDECAR):
        return
    stock(path, data, text=text)
    _described[path] = _signature(os.stat(path))


@replaces("ministack.services.s3:handle_request", "0856144f19e733b4")
async def handle_request(
    stock: Callable[..., Awaitable[Any]],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query: dict[str, Any],
    *others: Any,
    **named: Any,
) -> Any:
    """Look at the disk, then let MiniStack answer."""
    bucket, key = s3._parse_bucket_key(path, headers)
    if key:
        _look_at_key(bucket, key)
    elif bucket and method in ("GET", "POST", "DELETE"):
        prefix = query.get("prefix", "")
        _look_at_prefix(bucket, prefix[0] if isinstance(prefix, list) else prefix)
    source = unquote(headers.get("x-amz-copy-source", "")).lstrip("/").partition("?")[0]
    if source:
        source_bucket, _, source_key = source.partition("/")
        _look_at_key(source_bucket, source_key)
    return await stock(method, path, headers, body, query, *others, **named)


@replaces("ministack.services.cloudformation.provisioners:_s3_create", "477b78a3cb150dfd")
def create_bucket(stock: Callable[..., Any], logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    """Make a bucket from a template, with its folder."""
    name, attributes = stock(logical_id, properties, stack_name)
    _folder(name).mkdir(parents=True, exist_ok=True)
    return name, attributes


def set_up() -> None:
    """Begin without the buckets that MiniStack made of folders: whoever makes one of the same name finds its files again."""
    s3._buckets._data.clear()


def _folder(bucket: str) -> Path:
    return Path(s3.DATA_DIR) / get_account_id() / bucket


def _look_at_prefix(bucket: str, prefix: str) -> None:
    record = s3._buckets.get(bucket)
    if record is None:
        return
    root = _folder(bucket)
    for key in [key for key in record["objects"] if key.startswith(prefix)]:
        _look_at_key(bucket, key)
    for file in _files_below(root / prefix.rpartition("/")[0]):
        _look_at_key(bucket, file.relative_to(root).as_posix())


def _look_at_key(bucket: str, key: str) -> None:
    record = s3._buckets.get(bucket)
    path = s3._object_disk_path(bucket, key) if record is not None else None
    if path is None or _is_checksum(os.path.basename(path)):
        return
    objects = record["objects"]
    try:
        signature = _signature(os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        if key in objects and objects[key].get("body") is None:
            del objects[key]
            _described.pop(path, None)
        return
    if _described.get(path) == signature or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        etag = hashlib.file_digest(file, "md5").hexdigest()
    objects[key] = _object(etag, signature)
    _described[path] = signature


def _object(etag: str, signature: _Signature) -> dict[str, Any]:
    size, modified_nanoseconds, _inode = signature
    modified = datetime.fromtimestamp(modified_nanoseconds / 1e9, UTC)
    return {
        "body": None,
        "content_type": "application/octet-stream",
        "content_encoding": None,
        "etag": f'"{etag}"',
        "last_modified": modified.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "size": size,
        "metadata": {},
        "preserved_headers": {},
        "storage_class": "STANDARD",
        "checksums": {},
    }


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        if s3._ENCODED_KEYS_DIR in folders:
            folders.remove(s3._ENCODED_KEYS_DIR)
        for name in names:
            if not _is_checksum(name) and not name.endswith((".tmp", _SIDECAR)):
                yield Path(parent) / name


def _is_checksum(name: str) -> bool:
    return name.startswith(".") and name.endswith(".crc")


def _signature(status: os.stat_result) -> _Signature:
    return status.st_size, status.st_mtime_ns, status.st_ino
