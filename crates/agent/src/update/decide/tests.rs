use super::*;

fn installed() -> Digest {
    Digest::of(b"installed")
}

fn new() -> Digest {
    Digest::of(b"new")
}

fn wish(number: u64, digest: Digest) -> ProgramWish {
    ProgramWish {
        number,
        digest,
        size_bytes: 3,
        version: String::new(),
    }
}

fn trying() -> Trying {
    Trying {
        place: Place::A,
        digest: new(),
        number: 4,
        installed: Some(installed()),
        tries: 0,
    }
}

/// Returns what is known once the new program was proved.
fn after_proof() -> Record {
    proved(&Record::default(), &trying()).0
}

fn on_trial(tries: u32) -> Record {
    Record {
        trying: Some(Trying { tries, ..trying() }),
        ..Record::default()
    }
}

/// Starts the installed program, with the new one in its place.
fn start(record: &Record) -> Start<'_> {
    Start {
        record,
        own: installed(),
        place: None,
        found: Some(new()),
        marked: None,
    }
}

/// Starts a process again and again, each time with what the one before wrote, until it knows what it is.
fn settle(start: &Start<'_>) -> (Begin, Record) {
    let mut record = start.record.clone();
    for _ in 0..10 {
        let begun = begin(&Start {
            record: &record,
            ..start.clone()
        });
        match begun {
            Begin::Note(next, _) => record = next,
            other => return (other, record),
        }
    }
    panic!("it goes round in circles: {record:?}");
}

fn view<'a>(record: &'a Record, wish: Option<&'a ProgramWish>) -> View<'a> {
    View {
        record,
        own: installed(),
        place: None,
        wish,
        at_hand: AtHand::No,
        is_waiting: false,
    }
}

#[test]
fn an_agent_nobody_asked_for_anything_stays_what_it_is() {
    let record = Record::default();
    assert_eq!(begin(&start(&record)), Begin::Stay);
    assert_eq!(next(&view(&record, None)), Action::Wait);
}

#[test]
fn a_program_is_fetched_and_checked_before_anything_ends() {
    let (record, wish) = (Record::default(), wish(1, new()));
    let mut view = view(&record, Some(&wish));
    assert_eq!(next(&view), Action::Fetch(Place::A));
    view.is_waiting = true;
    assert_eq!(next(&view), Action::Wait, "a fetch failed a moment ago");
    view.at_hand = AtHand::Whole;
    assert_eq!(next(&view), Action::Check(Place::A));
    view.at_hand = AtHand::Starts;
    let trying = Trying {
        number: 1,
        ..trying()
    };
    assert_eq!(next(&view), Action::Switch(trying));
}

#[test]
fn a_wish_is_dealt_with_once_and_renewed_by_its_number() {
    let (record, _) = failed(&Record::default(), &trying(), "it ended".into());
    let (same, again) = (wish(4, new()), wish(5, new()));
    assert_eq!(next(&view(&record, Some(&same))), Action::Wait);
    assert_eq!(
        next(&view(&record, Some(&again))),
        Action::Fetch(Place::A),
        "a person asked once more"
    );
}

#[test]
fn a_program_it_runs_already_is_nothing_to_do() {
    let (record, wish) = (Record::default(), wish(3, installed()));
    assert_eq!(next(&view(&record, Some(&wish))), Action::Settle(3));
}

#[test]
fn the_next_program_never_goes_where_this_one_runs_from() {
    let record = after_proof();
    let wish = wish(5, Digest::of(b"newer"));
    let mut view = view(&record, Some(&wish));
    (view.own, view.place) = (new(), Some(Place::A));
    assert_eq!(next(&view), Action::Fetch(Place::B));
    view.at_hand = AtHand::Starts;
    let Action::Switch(trying) = next(&view) else {
        panic!("it is ready");
    };
    let what = (trying.place, trying.installed);
    assert_eq!(
        what,
        (Place::B, Some(installed())),
        "that one is still installed"
    );
    // The installed one runs for once: the proved one is kept.
    (view.own, view.place, view.at_hand) = (installed(), None, AtHand::No);
    assert_eq!(next(&view), Action::Fetch(Place::B));
}

#[test]
fn a_program_on_trial_has_passed_when_it_left_word_and_not_before() {
    let mut trial = Trial {
        waited_ms: 59_999,
        patience_ms: 60_000,
        marked: false,
        ended: None,
        stopped: false,
    };
    assert_eq!(judge(&trial), Verdict::Wait);
    trial.waited_ms = 60_000;
    let Verdict::Failed(why) = judge(&trial) else {
        panic!("its time is over");
    };
    assert_eq!(why, "it did not speak with the server within 60 s");
    trial.ended = Some("ended with signal: 9 (SIGKILL)".into());
    let Verdict::Failed(why) = judge(&trial) else {
        panic!("nobody is there");
    };
    assert!(why.contains("signal: 9"), "{why}");
    trial.stopped = true;
    assert_eq!(judge(&trial), Verdict::Stop, "that says nothing of it");
    trial.marked = true;
    assert_eq!(judge(&trial), Verdict::Proved, "it ends by itself then");
}

#[test]
fn a_start_in_the_middle_of_a_trial_begins_it_anew_a_few_times() {
    for tries in 0..TRIES {
        let record = on_trial(tries);
        assert!(matches!(begin(&start(&record)), Begin::Try(_)), "{tries}");
    }
    let (end, record) = settle(&start(&on_trial(TRIES)));
    assert_eq!(end, Begin::Stay);
    let failed = record.failed.unwrap();
    assert_eq!(
        (record.seen, failed.number, failed.why.as_str()),
        (4, 4, "its trial was cut short 3 times from outside")
    );
}

#[test]
fn a_parent_killed_after_the_word_was_left_and_before_it_was_read_tries_nothing_again() {
    let record = on_trial(1);
    let mut start = start(&record);
    start.marked = Some(4);
    let (end, record) = settle(&start);
    assert!(matches!(end, Begin::Become(_)), "{end:?}");
    assert_eq!(record, after_proof());
    start.marked = Some(3); // of another wish
    assert!(matches!(begin(&start), Begin::Try(_)));
}

#[test]
fn a_trial_whose_file_is_damaged_ends_without_starting_it() {
    let record = on_trial(0);
    for found in [None, Some(Digest::of(b"half"))] {
        let mut start = start(&record);
        start.found = found;
        let (end, record) = settle(&start);
        assert_eq!(end, Begin::Stay);
        assert!(record.failed.unwrap().why.contains("damaged"));
    }
}

#[test]
fn a_supervisor_that_starts_the_installed_program_gets_the_proved_one() {
    let record = after_proof();
    let Begin::Become(proved) = begin(&start(&record)) else {
        panic!("it is proved");
    };
    assert_eq!((proved.place, proved.digest), (Place::A, new()));
    let mut there = start(&record);
    (there.own, there.place) = (new(), Some(Place::A));
    assert_eq!(begin(&there), Begin::Stay, "it is that one");
}

#[test]
fn a_failed_trial_leaves_the_program_that_was_proved_before() {
    let newer = Trying {
        place: Place::B,
        digest: Digest::of(b"newer"),
        number: 5,
        ..trying()
    };
    let (record, _) = failed(&after_proof(), &newer, "it ended".into());
    assert!(matches!(begin(&start(&record)), Begin::Become(one) if one.place == Place::A));
}

#[test]
fn a_proved_program_that_is_damaged_or_does_not_work_makes_room_for_the_installed_one() {
    let good = after_proof();
    let mut damaged = start(&good);
    damaged.found = Some(Digest::of(b"half"));
    let mut tired = good.clone();
    tired.proved.as_mut().unwrap().starts = STARTS;
    for (start, words) in [
        (damaged, "damaged, so the installed program runs"),
        (start(&tired), "3 times and did not work"),
    ] {
        let (end, record) = settle(&start);
        assert_eq!(end, Begin::Stay);
        let failed = record.failed.unwrap();
        assert!(failed.why.contains(words), "{}", failed.why);
        assert_eq!((failed.number, record.proved), (4, None));
    }
}

#[test]
fn a_program_installed_by_hand_wins() {
    let record = after_proof();
    let mut start = start(&record);
    start.own = Digest::of(b"by hand");
    let (end, record) = settle(&start);
    assert_eq!(
        (end, record.proved, record.failed),
        (Begin::Stay, None, None)
    );
    let record = on_trial(1);
    start.record = &record;
    let (end, record) = settle(&start);
    assert_eq!((end, record.trying), (Begin::Stay, None));
    assert_eq!(record.failed.unwrap().number, 4);
    assert_eq!(record.seen, 4, "it is not tried again by itself");
}
