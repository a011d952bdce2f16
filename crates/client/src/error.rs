//! The four ways a call can fail.

use model::api::Problem;

use crate::Distrust;

/// Says why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server understood and refused; `code` is what to branch on. An answer that is not a
    /// problem document (a proxy's page) is given as one with the code `http_<status>`.
    #[error("{}", sentence(.0))]
    Problem(Box<Problem>),
    /// No answer at all: nothing is known about whether the call was carried out.
    #[error("cannot reach {url}")]
    Unreachable {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody answers who is not believed to be the server; nothing was sent.
    #[error("cannot trust the server at {url}")]
    Untrusted {
        url: String,
        #[source]
        why: Distrust,
    },
    /// An answer that is not what this call answers with.
    #[error("the answer of {url} makes no sense: {why}")]
    BadAnswer { url: String, why: String },
}

impl Error {
    /// Returns the HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Problem(problem) => Some(problem.status),
            Error::Unreachable { .. } | Error::Untrusted { .. } | Error::BadAnswer { .. } => None,
        }
    }

    /// Returns the refusal's stable code, such as `unknown_service`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Problem(problem) => Some(&problem.code),
            Error::Unreachable { .. } | Error::Untrusted { .. } | Error::BadAnswer { .. } => None,
        }
    }

    pub(crate) fn problem(status: u16, body: &[u8]) -> Self {
        let problem = serde_json::from_slice::<Problem>(body).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(body);
            let line: String = text
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())
                .unwrap_or("without a word")
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect();
            Problem::new(
                status,
                &format!("http_{status}"),
                format!("the server answered {status}: {line}"),
            )
        });
        Error::Problem(Box::new(Problem { status, ..problem }))
    }
}

fn sentence(problem: &Problem) -> String {
    let mut text = problem.title.clone();
    if let Some(at) = &problem.at {
        text = format!("{at}: {text}");
    }
    if let Some(hint) = &problem.hint {
        text = format!("{text}; {hint}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_proxy_is_a_problem_too() {
        let error = Error::problem(502, b"\n <h1>Bad Gateway</h1>\nmore");
        assert_eq!(
            (error.status(), error.code()),
            (Some(502), Some("http_502"))
        );
        assert_eq!(
            error.to_string(),
            "the server answered 502: <h1>Bad Gateway</h1>"
        );
    }

    #[test]
    fn a_problem_is_shown_with_place_and_remedy() {
        let problem = Problem::new(422, "unknown_service", "unknown service `shpo`")
            .at("service")
            .hint("known: `shop`");
        let error = Error::problem(422, &serde_json::to_vec(&problem).unwrap());
        assert_eq!(
            error.to_string(),
            "service: unknown service `shpo`; known: `shop`"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_body_of_a_refusal_is_read(status in 400u16..600, body: Vec<u8>) {
            proptest::prop_assert_eq!(Error::problem(status, &body).status(), Some(status));
        }
    }
}
