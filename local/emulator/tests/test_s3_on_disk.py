"""S3 is the disk: others read and write the very files."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from emulator.tests.conftest import Emulator, FakeSparkRunner, client, start_emulator, wait_until
from emulator.tests.stacks import stack


@pytest.fixture
def s3(emulator: Emulator, name: str) -> Any:
    """S3's client; there is a bucket with the test's name."""
    made = emulator.client("s3")
    made.create_bucket(Bucket=name)
    return made


@pytest.fixture
def folder(emulator: Emulator, s3: Any, name: str) -> Path:
    """The bucket on disk."""
    assert s3
    return emulator.folder / "s3" / "000000000000" / name


def listed(s3: Any, bucket: str, prefix: str = "") -> dict[str, tuple[int, str]]:
    """Every object's size and ETag."""
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix)
    return {one["Key"]: (one["Size"], one["ETag"].strip('"')) for one in answer.get("Contents", [])}


def md5(text: bytes) -> str:
    """The MD5 of some bytes."""
    return hashlib.md5(text).hexdigest()


def test_an_object_is_a_file_and_nothing_else_is_beside_it(s3: Any, folder: Path, name: str) -> None:
    s3.put_object(Bucket=name, Key="a/b=1/c.csv", Body=b"x,y", ContentType="text/csv", Metadata={"who": "me"})
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == ["a/b=1/c.csv"]
    head = s3.head_object(Bucket=name, Key="a/b=1/c.csv")
    assert (head["ContentType"], head["Metadata"], head["ETag"]) == ("text/csv", {"who": "me"}, f'"{md5(b"x,y")}"')


def test_a_file_from_outside_is_an_object(s3: Any, folder: Path, name: str) -> None:
    (folder / "out").mkdir(parents=True)
    (folder / "out" / "part-0.parquet").write_bytes(b"PAR1")
    (folder / "out" / "_SUCCESS").touch()
    (folder / "out" / ".part-0.parquet.crc").write_bytes(b"crc")
    moment = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
    os.utime(folder / "out" / "part-0.parquet", (moment.timestamp(),) * 2)
    assert listed(s3, name, "out/") == {"out/_SUCCESS": (0, md5(b"")), "out/part-0.parquet": (4, md5(b"PAR1"))}
    head = s3.head_object(Bucket=name, Key="out/part-0.parquet")
    assert (head["ContentLength"], head["LastModified"]) == (4, moment)
    assert s3.get_object(Bucket=name, Key="out/part-0.parquet")["Body"].read() == b"PAR1"


def test_a_file_can_be_read_before_anybody_has_listed_it(s3: Any, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "_summary.json").write_bytes(b"{}")
    assert s3.get_object(Bucket=name, Key="_summary.json")["Body"].read() == b"{}"


def test_a_change_from_outside_is_seen_even_at_the_same_size(s3: Any, folder: Path, name: str) -> None:
    s3.put_object(Bucket=name, Key="k", Body=b"old")
    before = s3.head_object(Bucket=name, Key="k")
    (folder / "k.new").write_bytes(b"new")
    os.replace(folder / "k.new", folder / "k")
    after = s3.head_object(Bucket=name, Key="k")
    assert after["ETag"] == f'"{md5(b"new")}"' != before["ETag"]
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"new"
    assert timedelta() <= after["LastModified"] - before["LastModified"] < timedelta(minutes=1)


def test_what_is_removed_from_outside_is_gone(s3: Any, folder: Path, name: str) -> None:
    for key in ("d/1", "d/2"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    (folder / "d" / "1").unlink()
    assert list(listed(s3, name)) == ["d/2"]
    with pytest.raises(botocore.exceptions.ClientError, match="404"):
        s3.head_object(Bucket=name, Key="d/1")


def test_what_is_deleted_or_copied_here_is_a_file_too(s3: Any, folder: Path, name: str) -> None:
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "b").write_bytes(b"from outside")
    s3.copy_object(Bucket=name, Key="c", CopySource={"Bucket": name, "Key": "a/b"})
    assert (folder / "c").read_bytes() == b"from outside"
    s3.delete_object(Bucket=name, Key="a/b")
    assert not (folder / "a" / "b").exists()
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "c"}]})
    assert listed(s3, name) == {}


def test_two_clients_see_the_same_etags(emulator: Emulator, s3: Any, folder: Path, name: str) -> None:
    upload = s3.create_multipart_upload(Bucket=name, Key="many")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="many", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"ETag": part, "PartNumber": 1}]}
    s3.complete_multipart_upload(Bucket=name, Key="many", UploadId=upload, MultipartUpload=parts)
    (folder / "one").write_bytes(b"one")
    first = listed(s3, name)
    assert first == listed(client("s3", emulator.endpoint), name)
    assert first["many"][1].endswith("-1")


def test_a_versioned_bucket_keeps_deleted_objects_away(s3: Any, folder: Path, name: str) -> None:
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="k", Body=b"1")
    s3.put_object(Bucket=name, Key="k", Body=b"2")
    s3.delete_object(Bucket=name, Key="k")
    assert listed(s3, name) == {}
    (folder / "k").write_bytes(b"from outside")
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"from outside"


def test_a_bucket_from_a_template_is_a_folder_and_takes_over_what_is_there(emulator: Emulator, name: str) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": f"{name}-made"}}
    folder = emulator.folder / "s3" / "000000000000" / f"{name}-made"
    with stack(emulator, name, {"Bucket": bucket}):
        assert folder.is_dir()
    wait_until(lambda: name not in {one["StackName"] for one in emulator.client("cloudformation").describe_stacks()["Stacks"]})
    (folder / "kept").write_bytes(b"from before")
    with stack(emulator, f"{name}-again", {"Bucket": bucket}):
        made = emulator.client("s3")
        assert listed(made, f"{name}-made") == {"kept": (11, md5(b"from before"))}
        made.delete_object(Bucket=f"{name}-made", Key="kept")


def test_a_new_start_has_no_buckets_but_finds_their_files(tmp_path: Path, runner: FakeSparkRunner) -> None:
    folder = tmp_path / "s3" / "000000000000" / "orders"
    folder.mkdir(parents=True)
    (folder / "kept").write_bytes(b"from before")
    started = start_emulator(tmp_path, runner)
    try:
        with stack(started, "again", {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "orders"}}}):
            assert list(listed(started.client("s3"), "orders")) == ["kept"]
    finally:
        started.process.terminate()
        started.process.wait(5)


def test_a_conditional_write_knows_files_from_outside(s3: Any, folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "taken").write_bytes(b"x")
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=name, Key="taken", Body=b"y", IfNoneMatch="*")
