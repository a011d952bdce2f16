//! The stores every story and walk is played on.

use std::path::Path;

use anyhow::Result;
use lab::OpenStore;
use store::{Durability, Store};

#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

impl On {
    /// Returns how a new world opens its store; nothing where PostgreSQL is not installed.
    pub(crate) fn open(self) -> Option<Box<OpenStore>> {
        match self {
            On::Sqlite => Some(Box::new(lab::sqlite)),
            On::Postgres => {
                let url = testdb::database()?;
                Some(Box::new(move |_: &Path| -> Result<Store> {
                    Ok(Store::open_postgres(&url, Durability::Process)?)
                }))
            }
        }
    }
}
