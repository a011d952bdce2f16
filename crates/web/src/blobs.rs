//! Stored artifacts: files named by the digest of their bytes, in a folder that may stand before an object
//! store. What is stored is in both then, and what is missing in the folder is fetched.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt;
use model::api::Problem;
use model::digest::Hasher;
use model::{Digest, limit};
use runtime::Random;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, Take};

use crate::ObjectStore;
use crate::error::{Failure, Result};

/// Is the folder the bytes are in.
#[derive(Clone, Debug)]
pub struct Blobs {
    folder: Arc<PathBuf>,
    /// Holds everything, where there is one.
    behind: Option<ObjectStore>,
    largest_bytes: u64,
}

impl Blobs {
    /// Makes the folder if it is missing and removes what an interrupted upload left.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "part")
            {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: Arc::new(folder.to_owned()),
            behind: None,
            largest_bytes: limit::ARTIFACT_BYTES,
        })
    }

    /// Takes artifacts of up to this size instead of [`limit::ARTIFACT_BYTES`].
    #[must_use]
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.largest_bytes = bytes;
        self
    }

    /// Keeps everything in an object store as well.
    #[must_use]
    pub fn before(mut self, store: ObjectStore) -> Self {
        self.behind = Some(store);
        self
    }

    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(name(digest))
    }

    /// Returns the stored size, nothing when the bytes are not here.
    ///
    /// # Errors
    /// An object store that cannot be asked.
    pub(crate) async fn size(&self, digest: Digest) -> Result<Option<u64>> {
        let here = tokio::fs::metadata(self.path(digest)).await;
        match (here, &self.behind) {
            (Ok(meta), _) => Ok(Some(meta.len())),
            (Err(_), None) => Ok(None),
            (Err(_), Some(store)) => store.size(&name(digest)).await.map_err(out_of_reach),
        }
    }

    /// Opens the file, fetched from the object store if it is not here.
    ///
    /// # Errors
    /// A file that cannot be read, an object store that cannot be asked, or one whose bytes are others.
    pub(crate) async fn open_file(
        &self,
        digest: Digest,
        size: u64,
        random: &Random,
    ) -> Result<File> {
        let path = self.path(digest);
        if let Some(store) = &self.behind
            && !tokio::fs::try_exists(&path).await?
        {
            self.fetch(store, digest, size, random).await?;
        }
        Ok(File::open(path).await?)
    }

    async fn fetch(
        &self,
        store: &ObjectStore,
        digest: Digest,
        size: u64,
        random: &Random,
    ) -> Result<()> {
        let (part, _) = Part::create(&self.folder, random)?;
        let fetched = store.fetch(&name(digest), size, part.0.clone()).await;
        fetched.map_err(out_of_reach)?;
        let found = digest_of(&part.0).await?;
        if found != digest {
            let title = format!("the object store holds {found} in the place of {digest}");
            return Err(Problem::new(502, "digest_mismatch", title)
                .hint("upload the artifact again")
                .into());
        }
        tokio::fs::rename(&part.0, self.path(digest)).await?;
        Ok(())
    }

    /// Stores a body under `digest`, durably, and returns its size. Bytes of another digest, fewer than
    /// announced or more than allowed leave nothing behind, nor does a caller who goes away.
    pub(crate) async fn receive(
        &self,
        digest: Digest,
        announced: Option<u64>,
        body: Body,
        random: &Random,
    ) -> Result<u64> {
        self.check_size(announced.unwrap_or(0))?;
        let (part, mut file) = Part::create(&self.folder, random)?;
        let (size, found) = self.copy(body, &mut file).await?;
        if let Some(announced) = announced.filter(|announced| *announced != size) {
            let title = format!("{size} of {announced} bytes came");
            return Err(Problem::new(422, "truncated", title)
                .hint("send it again")
                .into());
        }
        if found != digest {
            let title = format!("the bytes are {found}, not {digest}");
            return Err(Problem::new(422, "digest_mismatch", title)
                .hint("send the file the digest was made of")
                .into());
        }
        file.sync_all().await?;
        if let Some(store) = &self.behind {
            let put = store.put(&name(digest), part.0.clone()).await;
            put.map_err(out_of_reach)?;
        }
        tokio::fs::rename(&part.0, self.path(digest)).await?;
        File::open(self.folder.as_path()).await?.sync_all().await?;
        Ok(size)
    }

    async fn copy(&self, mut body: Body, file: &mut File) -> Result<(u64, Digest)> {
        let (mut size, mut hasher) = (0u64, Hasher::default());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| broken_off(size, &e))?;
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            size += bytes.len() as u64;
            self.check_size(size)?;
            hasher.update(&bytes);
            file.write_all(&bytes).await?;
        }
        file.flush().await?;
        Ok((size, hasher.finish()))
    }

    fn check_size(&self, bytes: u64) -> Result<()> {
        if bytes <= self.largest_bytes {
            return Ok(());
        }
        let title = format!("an artifact has at most {} bytes", self.largest_bytes);
        Err(Problem::new(413, "too_large", title)
            .hint("make it smaller, or split it into several services")
            .into())
    }
}

fn name(digest: Digest) -> String {
    format!("sha256-{}", digest.hex())
}

async fn digest_of(path: &Path) -> std::io::Result<Digest> {
    let (mut file, mut hasher) = (File::open(path).await?, Hasher::default());
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece).await? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&piece[..read]),
        }
    }
}

/// The store may answer again in a moment: whoever asks tries again.
fn out_of_reach(error: std::io::Error) -> Failure {
    tracing::warn!("artifacts: {error}");
    Problem::new(503, "artifacts_out_of_reach", error.to_string())
        .hint("try again; what hosts have already they can run")
        .into()
}

fn broken_off(size: u64, error: &axum::Error) -> Failure {
    let title = format!("the upload broke off after {size} bytes: {error}");
    Problem::new(422, "truncated", title)
        .hint("send it again")
        .into()
}

/// Is the file an upload goes to until it is whole; it goes away with the upload, however that ends.
struct Part(PathBuf);

impl Part {
    /// Makes the file without waiting, so that there is no moment at which the upload can be dropped
    /// and its file appears afterwards.
    fn create(folder: &Path, random: &Random) -> std::io::Result<(Self, File)> {
        let part = Self(folder.join(format!("{}.part", random.secret(""))));
        let file = std::fs::File::create_new(&part.0)?;
        Ok((part, File::from_std(file)))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is not there any more when the upload was renamed; what else is left over goes when the
        // server starts.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Streams a file in pieces, so that an artifact is never in memory as a whole.
pub(crate) struct FileBody {
    file: Take<File>,
    buffer: Vec<u8>,
}

/// Bytes read from disk at once.
const PIECE: usize = 64 << 10;

impl FileBody {
    /// Streams `length` bytes from the byte `from` on.
    pub(crate) async fn part(mut file: File, from: u64, length: u64) -> std::io::Result<Self> {
        file.seek(SeekFrom::Start(from)).await?;
        Ok(Self {
            file: file.take(length),
            buffer: vec![0; PIECE],
        })
    }
}

impl axum::body::HttpBody for FileBody {
    type Data = axum::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::io::Result<http_body::Frame<Self::Data>>>> {
        use std::task::Poll;
        use tokio::io::{AsyncRead, ReadBuf};
        let this = self.get_mut();
        let mut buffer = ReadBuf::new(&mut this.buffer);
        match std::pin::Pin::new(&mut this.file).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(None),
            Poll::Ready(Ok(())) => {
                let piece = axum::body::Bytes::copy_from_slice(buffer.filled());
                Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
            }
        }
    }
}
