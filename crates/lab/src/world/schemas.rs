//! What people say of the schema of the service's data.

use model::api::Problem;
use model::api::schema::{NewSchema, SchemaStep, SchemaView};
use model::deliver::MigrationKind;

use super::World;

/// Is what is said of a schema.
#[derive(Clone, Debug)]
pub struct SchemaWord {
    pub to: u64,
    pub step: SchemaStep,
    pub kind: Option<MigrationKind>,
    /// Why it is to be taken as it is.
    pub anyway: Option<String>,
}

impl World {
    /// Says for a person what the schema is or becomes.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn schema(&mut self, person: &str, word: &SchemaWord) -> Result<(), Problem> {
        let token = self.token_of(person).await?;
        let new = NewSchema {
            service: self.service.name.clone(),
            environment: "production".parse().expect("an environment's name"),
            version: word.to,
            step: word.step,
            kind: word.kind,
            anyway: word.anyway.is_some(),
            reason: word.anyway.clone().unwrap_or_default(),
        };
        let said: Result<SchemaView, Problem> =
            self.post("/api/v1/deliver/schemas", &token, &new).await;
        said.map(drop)
    }
}
