//! A verdict to act on; only its state, ring and times matter here.

use model::judge::{Control, Evidence, Reason, Verdict, VerdictState};
use model::{ChangeId, Digest, Timestamp, VerdictId};

pub(crate) const JUDGED_AT: Timestamp = Timestamp::from_millis(1_763_733_811_000);

pub(crate) fn verdict() -> Verdict {
    Verdict {
        id: VerdictId::new(JUDGED_AT, 7),
        change: ChangeId(7),
        ring: 0,
        state: VerdictState::Fail,
        reason: Reason::Harm,
        at: JUDGED_AT,
        evidence: Evidence {
            started: JUDGED_AT,
            looks: 31,
            alpha: 0.01,
            rule: "global".to_owned(),
            log_e: 4.83,
            beside: None,
            needed: 4.61,
            metrics: Vec::new(),
            control: Control::Hosts { hosts: 7 },
            excluded: Vec::new(),
            unattributed: 0,
            definition: Digest::of(b"signals"),
            judge_version: "1".to_owned(),
            inputs_digest: Digest::of(b"inputs"),
        },
    }
}
