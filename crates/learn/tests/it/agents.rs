//! Sentences about which program the agent of a host is.

use model::{Digest, Fact};

use crate::fixture::name;

/// Returns each fact with the sentence it must give.
pub(crate) fn facts() -> Vec<(Fact, &'static str)> {
    vec![
        (
            Fact::AgentAsked {
                host: name(1),
                digest: Digest::of(b"new"),
                version: "0.5.0".to_owned(),
                reason: "patched TLS".to_owned(),
            },
            "jonas asked the agent of web-1 to become 0.5.0 (11507a0e2f5e): patched TLS.",
        ),
        (
            Fact::AgentUpdated {
                host: name(1),
                digest: Digest::of(b"new"),
                version: String::new(),
            },
            "The agent of web-1 has become 11507a0e2f5e and was heard as it.",
        ),
        (
            Fact::AgentUpdateFailed {
                host: name(1),
                digest: Digest::of(b"new"),
                version: "0.5.0".to_owned(),
                why: "it ended with exit status: 1".to_owned(),
            },
            "The agent of web-1 gave 0.5.0 (11507a0e2f5e) up and goes on with the program it had: it ended with exit status: 1.",
        ),
        (
            Fact::AgentReplaced {
                host: name(1),
                digest: Digest::of(b"other"),
                was: Digest::of(b"new"),
            },
            "The agent of web-1 runs d9298a10d1b0 now, as nobody asked here, and no longer 11507a0e2f5e.",
        ),
    ]
}
