//! Bytes that are built once and named by their digest.

use serde::{Deserialize, Serialize};

use crate::{Digest, ServiceName, Timestamp};

/// Is how the stored bytes become a release folder on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ArtifactFormat {
    /// One executable file.
    #[serde(rename = "file")]
    File,
    #[serde(rename = "tar.gz")]
    TarGz,
    #[serde(rename = "tar.zst")]
    TarZst,
}

/// Is a stored artifact: the bytes are in the blob folder, this is what is known of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Artifact {
    pub digest: Digest,
    pub size_bytes: u64,
    /// The service that uploaded it first; the same bytes may serve several.
    pub service: ServiceName,
    pub uploaded_at: Timestamp,
}
