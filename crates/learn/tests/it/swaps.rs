//! Two slots that take turns, fact by fact.

use model::Fact;
use model::deliver::{Slot, WarmEnd};

pub(crate) fn facts() -> Vec<(Fact, &'static str)> {
    vec![
        (
            Fact::SlotChosen {
                idle: Slot::Blue,
                live: None,
            },
            "It goes to blue; no slot serves yet.",
        ),
        (
            Fact::SlotChosen {
                idle: Slot::Green,
                live: Some(Slot::Blue),
            },
            "It goes to green, while blue serves.",
        ),
        (
            Fact::Swapped {
                to: Slot::Blue,
                from: None,
            },
            "Swapped: everything goes to blue, as the routers proved.",
        ),
        (
            Fact::Swapped {
                to: Slot::Green,
                from: Some(Slot::Blue),
            },
            "Swapped: everything goes to green instead of blue, as the routers proved.",
        ),
        (
            Fact::SwappedBack {
                to: Some(Slot::Blue),
                after_ms: 1_400,
            },
            "Swapped back after 1.4 s: everything goes to blue again, as the routers proved.",
        ),
        (
            Fact::SwappedBack {
                to: None,
                after_ms: 400,
            },
            "Swapped back after 0.4 s: nothing goes to any slot, as the routers proved.",
        ),
        (
            Fact::WarmEnded {
                slot: Slot::Blue,
                how: WarmEnd::Stopped,
            },
            "Blue was kept running long enough, and its hosts are asked to stop.",
        ),
        (
            Fact::WarmEnded {
                slot: Slot::Blue,
                how: WarmEnd::Undone,
            },
            "Blue is not idle any more, because the change is undone.",
        ),
        (
            Fact::WarmEnded {
                slot: Slot::Green,
                how: WarmEnd::Replaced {
                    by: model::ChangeId(9),
                },
            },
            "Green is not kept running for this change any more, because chg-9 brings another release.",
        ),
    ]
}
