//! Messages go out: the urgent first, one slow receiver for itself alone, and none is lost with its server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use engine::{Guard, Inbox, Mail, Outbox, Senders, SmtpServer, Webhook};
use model::act::{Destination, Message, OutboxRow, OutboxState, Urgency};
use model::{EntryId, PageId, Secret, limit};
use runtime::Loop;

use crate::support::{START, World, turns};

fn row(n: u128, destination: Destination) -> OutboxRow {
    OutboxRow {
        id: PageId::new(START, n),
        destination,
        message: Message {
            urgency: Urgency::Low,
            title: format!("message {n}"),
            text: vec![],
            change: None,
            incident: None,
            data: serde_json::Value::Null,
        },
        state: OutboxState::Queued,
        attempt: 0,
        due_at: START,
        created_at: START,
        cause: EntryId::new(START, 1),
    }
}

async fn enqueue(world: &World, rows: Vec<OutboxRow>) {
    let all = move |tx: &mut store::Tx<'_>| {
        rows.iter()
            .try_for_each(|row| store::outbox::enqueue(tx, row))
    };
    world.write(all).await;
}

async fn state(world: &World, n: u128) -> OutboxState {
    let id = PageId::new(START, n);
    let row = world.write(move |tx| store::outbox::get(tx, id));
    row.await.unwrap().state
}

fn mail(n: u128) -> OutboxRow {
    row(n, Destination::Mail("a@example.test".into()))
}

fn into(inbox: &Inbox) -> Senders {
    Senders::Inbox(inbox.clone())
}

#[tokio::test]
async fn the_urgent_goes_first() {
    let (world, inbox) = (World::new(), Inbox::default());
    let mut rows: Vec<OutboxRow> = (1..=20).map(mail).collect();
    rows[19].message.urgency = Urgency::High;
    enqueue(&world, rows).await;
    let mut outbox = Outbox::new(world.context.clone(), into(&inbox));
    turns(&mut outbox, 1).await;
    let first = inbox.received();
    assert_eq!(first.len(), limit::SENDS_VIA_ONE);
    assert!(first.iter().any(|row| row.message.title == "message 20"));
    for _ in 0..2 {
        turns(&mut outbox, 1).await;
    }
    assert_eq!(inbox.received().len(), 20);
}

#[tokio::test]
async fn a_message_that_ended_long_ago_is_forgotten_when_another_ends() {
    let (world, inbox) = (World::new(), Inbox::default());
    let long_ago = START - limit::MESSAGE_MEMORY;
    let of = |n, at| OutboxRow {
        id: PageId::new(at, n),
        state: OutboxState::Accepted { at },
        ..mail(n)
    };
    let (old, young) = (of(1, long_ago - Duration::from_secs(1)), of(2, long_ago));
    let ids = [old.id, young.id];
    enqueue(&world, vec![old, young, mail(3)]).await;
    turns(&mut Outbox::new(world.context.clone(), into(&inbox)), 1).await;
    for (id, is_left) in ids.into_iter().zip([false, true]) {
        let row = world.write(move |tx| store::outbox::get(tx, id));
        assert_eq!(row.await.is_some(), is_left, "{id}");
    }
}

/// Accepts connections and hands them over, unanswered.
fn silent() -> (SocketAddr, mpsc::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, held) = mpsc::channel();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (address, held)
}

/// Answers every request with 204.
fn quick() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut piece = [0; 4096];
            let _ = stream.read(&mut piece);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

fn webhook(n: u128, address: SocketAddr) -> OutboxRow {
    row(n, Destination::Webhook(format!("http://{address}/hook")))
}

fn network(allowed: &[SocketAddr], mail: Option<Mail>) -> Senders {
    let guard = Guard::new(allowed.iter().copied());
    Senders::Network {
        mail,
        webhook: Webhook::new(guard),
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let world = World::new();
    let ((slow, held), quick) = (silent(), quick());
    let mut rows: Vec<OutboxRow> = (1..=100).map(|n| webhook(n, slow)).collect();
    rows.push(webhook(101, quick));
    enqueue(&world, rows).await;
    let mut outbox = Outbox::new(world.context.clone(), network(&[slow, quick], None));
    // Its turn ends though eight are under way to the one that hangs, and the other got its own.
    turns(&mut outbox, 1).await;
    assert!(matches!(
        state(&world, 101).await,
        OutboxState::Accepted { .. }
    ));
    // It was not waited for: nothing of it has ended.
    assert!(matches!(state(&world, 1).await, OutboxState::Leased { .. }));
    let waiting = held.try_iter().count();
    assert!((1..=limit::SENDS_VIA_ONE).contains(&waiting), "{waiting}");
    enqueue(&world, vec![webhook(102, quick)]).await;
    turns(&mut outbox, 2).await;
    assert!(matches!(
        state(&world, 102).await,
        OutboxState::Accepted { .. }
    ));
    assert_eq!(state(&world, 50).await, OutboxState::Queued);
    // Those that hang break off, and what was under way to them ends as well.
    drop(held);
}

#[tokio::test]
async fn a_mail_server_that_never_comes_to_an_end_is_given_up_in_time() {
    let world = World::new();
    let (slow, held) = silent();
    let server = SmtpServer {
        url: Secret::new(format!("smtp://{slow}")),
        from: "sleepwell@example.test".into(),
    };
    let mail_sender = Mail::new(&server, Guard::new([slow])).unwrap();
    enqueue(&world, vec![mail(1)]).await;
    let mut outbox = Outbox::new(world.context.clone(), network(&[], Some(mail_sender)));
    turns(&mut outbox, 1).await;
    assert!(matches!(state(&world, 1).await, OutboxState::Leased { .. }));
    let mut session = held.recv().unwrap();
    // From here on only the time of the runtime passes, and none for the session itself.
    tokio::time::pause();
    tokio::join!(outbox.finish(), tokio::time::advance(limit::MAIL_TIME));
    assert_eq!(
        state(&world, 1).await,
        OutboxState::Queued,
        "it is tried again"
    );
    session.set_nonblocking(true).unwrap();
    let still_open = session.read(&mut [0]).unwrap_err();
    assert_eq!(still_open.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_server_that_dies_while_it_sends_loses_nothing_and_repeats_it_marked() {
    let (world, inbox) = (World::new(), Inbox::default());
    let (slow, held) = silent();
    enqueue(&world, vec![webhook(1, slow)]).await;
    let mut dies = Outbox::new(world.context.clone(), network(&[slow], None));
    turns(&mut dies, 1).await;
    assert!(matches!(state(&world, 1).await, OutboxState::Leased { .. }));
    drop(dies);
    drop(held);
    // Another server takes over the loop; the message is its own when the lease of the dead one ends.
    world.write(store::lease::free_all).await;
    let mut context = world.context.clone();
    context.owner = "another server".into();
    context.mandates = engine::Mandates::default();
    let mut outbox = Outbox::new(context, into(&inbox));
    for seconds in [2, 30, 60] {
        turns(&mut outbox, seconds).await;
        assert_eq!(
            inbox.received().len(),
            0,
            "at {seconds} s the lease is not over"
        );
    }
    turns(&mut outbox, 61).await;
    let received = inbox.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].attempt, 2, "it says that it may be a repeat");
    assert!(matches!(state(&world, 1).await, OutboxState::Accepted { at } if at >= START));
    turns(&mut outbox, 500).await;
    assert_eq!(inbox.received().len(), 1);
}
