//! Stored objects, in S3.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use nightly_domain::ports::{BoxError, Objects, PortError};
use nightly_domain::{ObjectEntry, ObjectUri};

/// The objects of every bucket that the function may see.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
}

impl S3Objects {
    /// The objects behind this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl Objects for S3Objects {
    async fn read(&self, uri: &ObjectUri) -> Result<Option<Vec<u8>>, PortError> {
        let call = || format!("GetObject {uri}");
        let object = match self.client.get_object().bucket(uri.bucket()).key(uri.key()).send().await {
            Ok(object) => object,
            Err(error) if error.as_service_error().is_some_and(aws_sdk_s3::operation::get_object::GetObjectError::is_no_such_key) => {
                return Ok(None);
            }
            Err(error) => return Err(PortError::new(call(), error)),
        };
        let body = object.body.collect().await.map_err(|error| PortError::new(call(), error))?;
        Ok(Some(body.to_vec()))
    }

    async fn write(&self, uri: &ObjectUri, content_type: &str, body: Vec<u8>) -> Result<(), PortError> {
        let put = self.client.put_object().bucket(uri.bucket()).key(uri.key()).content_type(content_type).body(ByteStream::from(body));
        put.send().await.map_err(|error| PortError::new(format!("PutObject {uri}"), error))?;
        Ok(())
    }

    async fn list(&self, prefix: &ObjectUri) -> Result<Vec<ObjectEntry>, PortError> {
        let failed = |source: BoxError| PortError::new(format!("ListObjectsV2 {prefix}"), source);
        let mut pages = self.client.list_objects_v2().bucket(prefix.bucket()).prefix(prefix.key()).into_paginator().send();
        let mut entries = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(|error| failed(error.into()))?.contents() {
                let (Some(key), Some(size), Some(etag)) = (object.key(), object.size(), object.e_tag()) else {
                    return Err(failed("an object is listed without its key, size or entity tag".into()));
                };
                let size = u64::try_from(size).map_err(|error| failed(error.into()))?;
                entries.push(ObjectEntry { key: key.to_owned(), size, etag: etag.trim_matches('"').to_owned() });
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aws;
    use crate::fake_server::FakeServer;

    fn uri() -> ObjectUri {
        "s3://work/night/apply-fx/".parse().unwrap()
    }

    #[tokio::test]
    async fn a_listing_of_two_pages_is_one() {
        let page = |key: &str, more: &str| {
            format!(
                "<ListBucketResult><Contents><Key>{key}</Key><Size>12</Size><ETag>&quot;9b2c&quot;</ETag></Contents>{more}</ListBucketResult>"
            )
        };
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>";
        let server = FakeServer::answering(vec![(200, page("night/apply-fx/a", more)), (200, page("night/apply-fx/b", ""))]);
        let entries = Aws::at(&server.address).objects().list(&uri()).await.unwrap();
        let entry = |key: &str| ObjectEntry { key: key.to_owned(), size: 12, etag: "9b2c".to_owned() };
        assert_eq!(entries, [entry("night/apply-fx/a"), entry("night/apply-fx/b")]);
        assert!(server.requests()[1].contains("continuation-token=next"), "{}", server.requests()[1]);
    }

    #[tokio::test]
    async fn a_missing_object_is_none_and_a_refused_one_is_an_error() {
        let missing = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>".to_owned();
        let refused = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned();
        let server = FakeServer::answering(vec![(404, missing), (403, refused)]);
        let objects = Aws::at(&server.address).objects();
        let uri = uri().join("_summary.json");
        assert_eq!(objects.read(&uri).await.unwrap(), None);
        assert_eq!(objects.read(&uri).await.unwrap_err().to_string(), "GetObject s3://work/night/apply-fx/_summary.json failed");
    }
}
