//! Where history files are: a folder, or a part of an object store.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ObjectStore, ObjectStoreExt,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem,
    path::{Path, PathPart},
};

use super::{
    file::{self, FileFormat},
    http::Http,
};

/// Bytes of one part of a path: file systems take 255, and an id may have 1,000.
const PART_BYTES: usize = 200;

pub(super) struct Archive {
    store: Arc<dyn ObjectStore>,
    /// Where in the store it begins.
    root: Path,
    /// As the user wrote it.
    name: String,
}

impl Archive {
    /// A folder, which is made where it is missing, or `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`.
    pub(super) fn create(target: &str) -> anyhow::Result<Self> {
        if !target.contains("://") {
            std::fs::create_dir_all(target).with_context(|| format!("the folder {target} cannot be made"))?;
        }
        Self::open(target)
    }

    /// The same, but a folder must be there. A local file is an archive of one.
    pub(super) fn open(target: &str) -> anyhow::Result<Self> {
        let path = target.strip_prefix("file://").unwrap_or(target);
        if !path.contains("://") {
            return Self::local(path);
        }
        let (scheme, place) = path.split_once("://").context("an address has ://")?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let root = format!("{scheme}://{bucket}");
        let store: Arc<dyn ObjectStore> = match scheme {
            "s3" => Arc::new(AmazonS3Builder::from_env().with_url(root).with_http_connector(Http).build()?),
            "gs" => Arc::new(GoogleCloudStorageBuilder::from_env().with_url(root).with_http_connector(Http).build()?),
            "az" => Arc::new(MicrosoftAzureBuilder::from_env().with_url(root).with_http_connector(Http).build()?),
            other => bail!("{other}:// is not supported: use a folder, s3://, gs:// or az://"),
        };
        Ok(Self { store, root: Path::parse(prefix)?, name: target.to_owned() })
    }

    fn local(path: &str) -> anyhow::Result<Self> {
        let found = std::fs::canonicalize(path).with_context(|| format!("there is no {path}"))?;
        let (folder, root) = if found.is_dir() {
            (found, Path::default())
        } else {
            let file =
                found.file_name().and_then(|name| name.to_str()).with_context(|| format!("{path} is no file"))?;
            (found.parent().map_or_else(PathBuf::new, PathBuf::from), Path::parse(file)?)
        };
        let store = LocalFileSystem::new_with_prefix(folder)?.with_fsync(true);
        Ok(Self { store: Arc::new(store), root, name: path.to_owned() })
    }

    /// Where the history of a run belongs.
    pub(super) fn place(&self, namespace: &str, workflow_id: &str, run_id: &str, format: FileFormat) -> Path {
        let file = format!("{run_id}{}", format.suffix());
        let mut path = self.root.clone();
        for part in [short(namespace), short(workflow_id), file] {
            path = path.join(PathPart::from(part));
        }
        path
    }

    pub(super) async fn has(&self, place: &Path) -> anyhow::Result<bool> {
        match self.store.head(place).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed("looking for", place, error)),
        }
    }

    /// Atomic: readers find all of it, or nothing.
    pub(super) async fn put(&self, place: &Path, bytes: Bytes) -> anyhow::Result<()> {
        self.store.put(place, bytes.into()).await.map_err(|error| self.failed("writing", place, error))?;
        Ok(())
    }

    pub(super) async fn get(&self, place: &Path) -> anyhow::Result<Bytes> {
        let failed = |error| self.failed("reading", place, error);
        self.store.get(place).await.map_err(failed)?.bytes().await.map_err(failed)
    }

    /// All history files, in no order.
    pub(super) fn files(&self) -> BoxStream<'_, anyhow::Result<Path>> {
        let one = file::is_history(self.root.filename().unwrap_or_default()).then(|| self.root.clone());
        if let Some(one) = one {
            return futures::stream::iter([Ok(one)]).boxed();
        }
        let listed = self.store.list(Some(&self.root));
        let listed = listed.map_err(|error| anyhow::anyhow!("{}: {error}", self.name));
        let places = listed.map_ok(|object| object.location);
        places.try_filter(|place| std::future::ready(file::is_history(place.filename().unwrap_or_default()))).boxed()
    }

    fn failed(&self, what: &str, place: &Path, error: object_store::Error) -> anyhow::Error {
        anyhow::Error::new(error).context(format!("{what} {place} in {}", self.name))
    }
}

/// A long id keeps its beginning; a hash tells it from others.
fn short(id: &str) -> String {
    let encoded = PathPart::from(id);
    if encoded.as_ref().len() <= PART_BYTES {
        return id.to_owned();
    }
    let begin: String = id.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    format!("{begin}~{}", &blake3::hash(id.as_bytes()).to_hex()[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_from_the_run_and_stay_within_the_folder() {
        let folder = tempfile_folder();
        let archive = Archive::create(&folder.to_string_lossy()).expect("a folder");
        let place = |workflow_id: &str| archive.place("n", workflow_id, "r", FileFormat::Json).to_string();
        assert_eq!(place("w"), "n/w/r.json");
        assert_eq!(place("a/b"), "n/a%2Fb/r.json");
        assert_eq!(place(".."), "n/%2E%2E/r.json");
        let long = "ä".repeat(300);
        let parts: Vec<usize> = place(&long).split('/').map(str::len).collect();
        assert!(parts.iter().all(|length| *length <= PART_BYTES), "{parts:?}");
        assert_ne!(place(&long), place(&format!("{long}b")));
        std::fs::remove_dir_all(folder).expect("the folder is there");
    }

    fn tempfile_folder() -> PathBuf {
        std::env::temp_dir().join(format!("perdure-archive-{}", std::process::id()))
    }
}
