//! Stored objects, in S3.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::primitives::ByteStream;
use nightly_domain::ports::{BoxError, Copied, Deliveries, Objects, PortError};
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

impl Deliveries for S3Objects {
    async fn read_listed(&self, uri: &ObjectUri, etag: &str) -> Result<Option<Vec<u8>>, PortError> {
        let call = || format!("GetObject {uri}");
        match self.client.get_object().bucket(uri.bucket()).key(uri.key()).if_match(quoted(etag)).send().await {
            Ok(object) => Ok(Some(object.body.collect().await.map_err(|error| PortError::new(call(), error))?.to_vec())),
            Err(error) if is_another(&error) => Ok(None),
            Err(error) => Err(PortError::new(call(), error)),
        }
    }

    async fn copy_listed(&self, uri: &ObjectUri, etag: &str, to: &ObjectUri) -> Result<Copied, PortError> {
        let source = format!("{}/{}", uri.bucket(), path_of(uri.key()));
        let copy = self.client.copy_object().copy_source(source).copy_source_if_match(quoted(etag)).bucket(to.bucket()).key(to.key());
        match copy.send().await {
            Ok(_) => Ok(Copied::Copied),
            Err(error) if is_another(&error) => Ok(Copied::Changed),
            Err(error) => Err(PortError::new(format!("CopyObject {uri} {to}"), error)),
        }
    }

    async fn remove_listed(&self, uri: &ObjectUri, etag: &str) -> Result<(), PortError> {
        match self.client.delete_object().bucket(uri.bucket()).key(uri.key()).if_match(quoted(etag)).send().await {
            Err(error) if !is_another(&error) => Err(PortError::new(format!("DeleteObject {uri}"), error)),
            _ => Ok(()),
        }
    }
}

/// Another object is there than the one that was asked for, or none.
fn is_another<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 404 | 412))
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// A key as a part of an address: only `CopyObject` takes one from its caller.
fn path_of(key: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    key.bytes().map(encoded).collect()
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

    #[tokio::test]
    async fn only_the_object_that_was_listed_is_read_copied_and_removed() {
        let changed = "<Error><Code>PreconditionFailed</Code><Message>another</Message></Error>".to_owned();
        let gone = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>".to_owned();
        let copied = "<CopyObjectResult><ETag>&quot;9b2c&quot;</ETag></CopyObjectResult>".to_owned();
        let refused = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>".to_owned();
        let answers = vec![
            (200, "order_id".to_owned()),
            (412, changed.clone()),
            (404, gone.clone()),
            (200, copied),
            (412, changed.clone()),
            (204, String::new()),
            (412, changed),
            (404, gone),
            (403, refused),
        ];
        let server = FakeServer::answering(answers);
        let (objects, uri) = (Aws::at(&server.address).objects(), ObjectUri::new("raw", "orders/a b=ü.csv"));
        assert_eq!(objects.read_listed(&uri, "9b2c").await.unwrap().as_deref(), Some(&b"order_id"[..]));
        assert_eq!(objects.read_listed(&uri, "9b2c").await.unwrap(), None);
        assert_eq!(objects.read_listed(&uri, "9b2c").await.unwrap(), None);
        assert_eq!(objects.copy_listed(&uri, "9b2c", &ObjectUri::new("raw", "bad/a")).await.unwrap(), Copied::Copied);
        assert_eq!(objects.copy_listed(&uri, "9b2c", &ObjectUri::new("raw", "bad/a")).await.unwrap(), Copied::Changed);
        for _ in 0..3 {
            objects.remove_listed(&uri, "9b2c").await.unwrap();
        }
        assert_eq!(objects.remove_listed(&uri, "9b2c").await.unwrap_err().to_string(), "DeleteObject s3://raw/orders/a b=ü.csv failed");
        for request in server.requests() {
            assert!(request.to_lowercase().contains("if-match: \"9b2c\""), "{request}");
        }
        assert!(server.requests()[3].contains("x-amz-copy-source: raw/orders/a%20b%3D%C3%BC.csv"), "{}", server.requests()[3]);
    }
}
