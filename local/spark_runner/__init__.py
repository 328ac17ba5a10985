"""A warm Spark that runs Glue jobs and quality rules of the local AWS on unchanged `s3://` addresses."""
