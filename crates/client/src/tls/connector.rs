//! Puts TLS of our own making into `ureq`, whose own knows no pins.
//!
//! Its transports are unversioned there: an upgrade may need work here, and the tests of this crate would show it.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, OnceLock};

use model::KeyPin;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

use super::trust::{self, Distrust, Verifier};

/// Encrypts connections to addresses that begin with `https://`, and leaves others as they are: to a server in the
/// clear, or to a proxy on the way to one.
#[derive(Debug)]
pub(crate) struct Tls {
    pin: Option<KeyPin>,
    /// A key was named for a server that is to be asked in the clear.
    refuses: bool,
    /// Made for the first connection: the system's list of signers takes a while to read.
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn new(base_url: &str, pin: Option<KeyPin>) -> Self {
        Self {
            pin,
            refuses: pin.is_some() && !base_url.starts_with("https://"),
            config: OnceLock::new(),
        }
    }

    fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.config.get_or_init(|| Arc::new(config(self.pin))))
    }
}

fn config(pin: Option<KeyPin>) -> ClientConfig {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(pin, Arc::clone(&provider));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows both versions");
    builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth()
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, Encrypted>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(transport) = chained else {
            return Ok(None);
        };
        if self.refuses {
            return Err(distrusted(Distrust::NotAsked));
        }
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| ureq::Error::BadUri(details.uri.to_string()))?;
        let mut connection = ClientConnection::new(self.config(), name)?;
        let mut socket =
            TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket).map_err(explained)?;
        let config = details.config;
        Ok(Some(Either::B(Encrypted {
            stream: StreamOwned::new(connection, socket),
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
        })))
    }
}

fn distrusted(why: Distrust) -> ureq::Error {
    ureq::Error::Other(Box::new(why))
}

/// Keeps our own word where the handshake ended with one.
fn explained(error: io::Error) -> ureq::Error {
    let inner = error.get_ref();
    let inner = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner.and_then(trust::found_in) {
        Some(why) => distrusted(why),
        None => error.into(),
    }
}

/// Is a connection behind its handshake.
pub(crate) struct Encrypted {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encrypted").finish_non_exhaustive()
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let came = self.stream.read(self.buffers.input_append_buf());
        let came = came.map_err(|e| match e.kind() {
            // Its words are for programmers; a server that was killed says no goodbye.
            ErrorKind::UnexpectedEof => io::Error::new(e.kind(), "the server hung up"),
            _ => e,
        })?;
        self.buffers.input_appended(came);
        Ok(came > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
