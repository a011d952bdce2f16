//! Shutdown is a value one holds.

use tokio::sync::watch;

/// Begins the shutdown; dropping it does so too.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// Is handed to every task, which ends when it is requested.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    pub fn new() -> (Trigger, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Trigger(sender), Shutdown(receiver))
    }

    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until shutdown is requested.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means the trigger is gone, which is a shutdown as well.
        let _ = receiver.wait_for(|requested| *requested).await;
    }
}

impl Trigger {
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}
