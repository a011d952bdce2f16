//! Whether the server hears this agent, as all of its threads know it.
//!
//! A server that does not answer is tried again soon. One that turns the agent away will do so again until a
//! person acts: that is said once, with what to do, and only the held call asks again, at the longest pause.
//! Services go on either way.

use std::sync::{Mutex, PoisonError};

use model::HostName;

use crate::install::chain;

/// Is why the server hears nothing of what this agent says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    /// Its token is revoked, or not known there.
    Token,
    /// Another agent speaks as the same host, and that one is heard.
    Another,
    /// Somebody answers who is not the server this host joined; nothing is said to it.
    Untrusted,
}

pub(crate) struct Link {
    host: HostName,
    away: Mutex<Option<Away>>,
}

impl Link {
    pub(crate) fn new(host: HostName) -> Self {
        Self {
            host,
            away: Mutex::new(None),
        }
    }

    /// Returns why the agent is turned away; none while it is heard, or merely gets no answer.
    pub(crate) fn away(&self) -> Option<Away> {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call that failed; tells whether the agent is turned away, and says so the first time.
    pub(crate) fn failed(&self, error: &client::Error) -> bool {
        let Some(why) = away(error) else {
            return false;
        };
        let before = self.set(Some(why));
        if before != Some(why) {
            tracing::error!("{}", sentence(why, &self.host, error));
        }
        true
    }

    /// Notes that the server heard it; tells whether that is news.
    pub(crate) fn answered(&self) -> bool {
        let is_news = self.set(None).is_some();
        if is_news {
            tracing::info!("the server hears this agent again");
        }
        is_news
    }

    fn set(&self, away: Option<Away>) -> Option<Away> {
        let mut held = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut held, away)
    }
}

fn away(error: &client::Error) -> Option<Away> {
    if let client::Error::Untrusted { .. } = error {
        return Some(Away::Untrusted);
    }
    match (error.status(), error.code()) {
        (Some(401), _) => Some(Away::Token),
        (_, Some("another_agent")) => Some(Away::Another),
        _ => None,
    }
}

/// Says what is wrong and what to do; services are no part of it.
fn sentence(why: Away, host: &HostName, error: &client::Error) -> String {
    let what = match error {
        client::Error::Problem(problem) => problem.title.clone(),
        error => chain(error),
    };
    match why {
        Away::Untrusted => format!(
            "{what}; services go on and nothing is sent; if the server has a new key, join again with a new token"
        ),
        Away::Token => format!(
            "the server turns this agent away: {what}; services go on as they are and nothing new is taken; \
             to let it back in, run `sleepwell agent token --host {host}` where the server is and here, with \
             the agent stopped, the line it prints"
        ),
        Away::Another => format!(
            "the server turns this agent away: {what}; services go on as they are and nothing new is taken; \
             if this machine is a copy, run `sleepwell agent token --host` with a name of its own where the \
             server is and here, with the agent stopped, the line it prints; if it is not, stop the other agent"
        ),
    }
}

#[cfg(test)]
mod tests {
    use model::api::Problem;

    use super::*;

    fn refusal(status: u16, code: &str) -> client::Error {
        client::Error::Problem(Box::new(Problem::new(status, code, "it was revoked")))
    }

    #[test]
    fn only_what_a_person_has_to_mend_turns_the_agent_away() {
        let link = Link::new("web-1".parse().unwrap());
        for (status, code) in [
            (500, "internal"),
            (429, "slow_down"),
            (404, "unknown_host"),
            (409, "x"),
        ] {
            assert!(!link.failed(&refusal(status, code)), "{code}");
        }
        assert_eq!(link.away(), None);
        assert!(link.failed(&refusal(401, "revoked_token")));
        assert_eq!(link.away(), Some(Away::Token));
        assert!(!link.failed(&refusal(500, "internal")));
        assert_eq!(
            link.away(),
            Some(Away::Token),
            "an error says nothing new of the token"
        );
        assert!(link.failed(&refusal(409, "another_agent")));
        assert_eq!(link.away(), Some(Away::Another));
        link.answered();
        assert_eq!(link.away(), None);
    }

    #[test]
    fn what_is_said_names_the_way_back() {
        let host = "web-1".parse().unwrap();
        let said = sentence(Away::Token, &host, &refusal(401, "revoked_token"));
        assert!(said.contains("it was revoked; services go on"), "{said}");
        assert!(
            said.contains("`sleepwell agent token --host web-1`"),
            "{said}"
        );
        let said = sentence(Away::Another, &host, &refusal(409, "another_agent"));
        assert!(said.contains("a name of its own"), "{said}");
    }
}
