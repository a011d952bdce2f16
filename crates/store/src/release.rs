//! Artifacts and the releases made of them.

use model::deliver::{Artifact, Release, ReleaseNumber};
use model::{Digest, ServiceName, Version};

use crate::value::json;
use crate::{Error, Tx};

const TABLE: &str = "deliver_release";

/// Stores what is known of an artifact; the same bytes again change nothing.
pub fn put_artifact(tx: &mut Tx<'_>, artifact: &Artifact) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_artifact (digest, body) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        &[artifact.digest.into(), json(artifact)],
    )?;
    Ok(())
}

pub fn artifact(tx: &mut Tx<'_>, digest: Digest) -> Result<Option<Artifact>, Error> {
    let sql = "SELECT body FROM deliver_artifact WHERE digest = $1";
    tx.query_one("deliver_artifact", sql, &[digest.into()])?
        .map(|row| row.json(0))
        .transpose()
}

/// Returns the next number of a service; a number that is not used afterwards stays a gap.
pub fn next_number(tx: &mut Tx<'_>, service: &ServiceName) -> Result<ReleaseNumber, Error> {
    tx.count_up(&format!("release/{service}"))
        .map(ReleaseNumber)
}

/// Stores a release for good.
///
/// # Errors
/// [`Error::Exists`] when the version is taken.
pub fn insert(tx: &mut Tx<'_>, release: &Release) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO deliver_release (service, number, version, body) VALUES ($1, $2, $3, $4)",
        &[
            (&release.service).into(),
            release.number.0.into(),
            (&release.version).into(),
            json(release),
        ],
    )?;
    crate::surroundings::note(tx, release)
}

pub fn get(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    number: ReleaseNumber,
) -> Result<Option<Release>, Error> {
    let sql = "SELECT body FROM deliver_release WHERE service = $1 AND number = $2";
    let row = tx.query_one(TABLE, sql, &[service.into(), number.0.into()])?;
    row.map(|row| row.json(0)).transpose()
}

pub fn by_version(
    tx: &mut Tx<'_>,
    service: &ServiceName,
    version: &Version,
) -> Result<Option<Release>, Error> {
    let sql = "SELECT body FROM deliver_release WHERE service = $1 AND version = $2";
    let row = tx.query_one(TABLE, sql, &[service.into(), version.into()])?;
    row.map(|row| row.json(0)).transpose()
}

/// Returns the newest releases of a service, newest first.
pub fn list(tx: &mut Tx<'_>, service: &ServiceName, limit: usize) -> Result<Vec<Release>, Error> {
    let sql = "SELECT body FROM deliver_release WHERE service = $1 ORDER BY number DESC LIMIT $2";
    let rows = tx.query(TABLE, sql, &[service.into(), (limit as u64).into()])?;
    rows.iter().map(|row| row.json(0)).collect()
}

/// Returns the names of all services that have a release, sorted.
pub fn services(tx: &mut Tx<'_>) -> Result<Vec<ServiceName>, Error> {
    let rows = tx.query(
        TABLE,
        "SELECT DISTINCT service FROM deliver_release ORDER BY service",
        &[],
    )?;
    rows.iter().map(|row| row.parsed(0)).collect()
}
