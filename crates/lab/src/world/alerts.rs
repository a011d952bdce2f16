//! Alerts that another tool posts, and what became of them.

use anyhow::{Context, Result, bail};
use model::api::alert::{AlertView, IncidentView, PageView};
use model::api::change::Why;
use model::api::token::{NewToken, TokenCreated};
use model::{AlertId, Labels, Role};
use serde_json::json;

use super::{Request, World, told};

/// Whose token posts alerts.
const SENDER: &str = "prometheus";

/// Is an alert as a story posts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedAlert {
    /// With `alertname` and, where it names one, `service`.
    pub labels: Labels,
    pub is_over: bool,
}

impl World {
    /// Posts an alert as Prometheus does.
    ///
    /// # Errors
    /// When the server does not take it.
    pub async fn post_alert(&mut self, alert: &PostedAlert) -> Result<()> {
        let token = self.sender().await?;
        let mut posted = json!({ "labels": alert.labels });
        if alert.is_over {
            posted["endsAt"] = self.wall.now().to_string().into();
        }
        let body = serde_json::to_vec(&[posted])?;
        let request = Request::post("/alertmanager/api/v2/alerts", &token, body);
        let answer = self.call(request).await.map_err(told)?;
        if answer.status != 200 {
            bail!("the alert was answered with {}", answer.status);
        }
        Ok(())
    }

    async fn sender(&mut self) -> Result<String> {
        if let Some(token) = self.people.get(SENDER) {
            return Ok(token.clone());
        }
        let new = NewToken {
            name: SENDER.to_owned(),
            role: Role::Ingest,
            expires_at: None,
        };
        let admin = self.admin.clone();
        let created: TokenCreated = self
            .post("/api/v1/tokens", &admin, &new)
            .await
            .map_err(told)?;
        self.people
            .insert(SENDER.to_owned(), created.secret.clone());
        Ok(created.secret)
    }

    /// Returns the newest alerts, newest first.
    ///
    /// # Errors
    /// When the API does not answer as it should, as for everything that is read here.
    pub async fn alerts(&self) -> Result<Vec<AlertView>> {
        self.read("/api/v1/judge/alerts").await
    }

    /// Returns the newest alert of a name.
    ///
    /// # Errors
    /// When there is none.
    pub async fn alert(&self, name: &str) -> Result<AlertView> {
        let alerts = self.alerts().await?.into_iter();
        let found = alerts.filter(|view| view.alert.name() == name);
        found
            .max_by_key(|view| view.alert.id)
            .with_context(|| format!("no alert called `{name}` was ever posted"))
    }

    pub async fn incidents(&self) -> Result<Vec<IncidentView>> {
        self.read("/api/v1/act/incidents").await
    }

    pub async fn pages(&self) -> Result<Vec<PageView>> {
        self.read("/api/v1/act/pages").await
    }

    pub async fn why_alert(&self, alert: AlertId) -> Result<Why> {
        self.read(&format!("/api/v1/learn/why/{alert}")).await
    }
}
