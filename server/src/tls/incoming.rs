//! Connections that have shaken hands.
//!
//! Each handshake runs by itself, so that a client that is slow, or speaks something else, keeps nobody waiting.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};

use super::Acceptor;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes at a time. Beyond them clients wait in the listener's queue.
const HANDSHAKES: usize = 512;
/// Connections that are ready and not taken up yet.
const READY: usize = 64;
/// After an error of the listener itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For a client to read why it is refused.
const READ_ON: Duration = Duration::from_secs(1);

/// First byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;

type Accepted = (TlsStream<TcpStream>, SocketAddr);

/// Dropping it ends the listener.
pub(crate) struct Incoming {
    accepted: mpsc::Receiver<Accepted>,
    address: SocketAddr,
}

impl Incoming {
    pub(crate) fn new(listener: TcpListener, acceptor: Acceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, accepted) = mpsc::channel(READY);
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = accept(&listener, &acceptor, &sender) => {}
            }
        });
        Ok(Self { accepted, address })
    }

    /// For tonic.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
        ReceiverStream::new(self.accepted).map(|(stream, _)| Ok(stream))
    }
}

impl axum::serve::Listener for Incoming {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Accepted {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            // The runtime ends, and this with it.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept(listener: &TcpListener, acceptor: &Acceptor, ready: &mpsc::Sender<Accepted>) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (ready, acceptor) = (ready.clone(), TlsAcceptor::from(acceptor.config()));
        tokio::spawn(async move {
            match timeout(HANDSHAKE_TIMEOUT, shake_hands(stream, acceptor)).await {
                // Nobody takes connections any more: the server stops.
                Ok(Ok(stream)) => ready.send((stream, peer)).await.unwrap_or_default(),
                Ok(Err(error)) => tracing::info!(%peer, %error, "a client could not connect"),
                Err(_) => tracing::info!(%peer, "a client could not connect: it did not finish the TLS handshake"),
            }
            drop(permit);
        });
    }
}

async fn shake_hands(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    let mut first = [0; 4];
    if stream.peek(&mut first).await? > 0 && first[0] != TLS_HANDSHAKE {
        refuse_plain_text(&mut stream, &first).await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks plain text, this port speaks TLS"));
    }
    acceptor.accept(stream).await
}

/// Answers, and waits a little for the client to read that: a connection that is closed on unread bytes loses the answer.
async fn refuse_plain_text(stream: &mut TcpStream, first: &[u8; 4]) -> io::Result<()> {
    stream.write_all(answer_in_plain_text(first)).await?;
    stream.shutdown().await?;
    let mut unread = [0; 1024];
    let read_on = async { while stream.read(&mut unread).await.is_ok_and(|bytes| bytes > 0) {} };
    // Whether it has read or not, it is gone now.
    let _ = timeout(READ_ON, read_on).await;
    Ok(())
}

/// What a client without TLS can understand.
fn answer_in_plain_text(first: &[u8; 4]) -> &'static [u8] {
    /// Settings, none; then goodbye: 57 bytes, after stream 0, because of inadequate security (12), and why.
    const HTTP_2: &[u8] = b"\0\0\0\x04\0\0\0\0\0\
        \0\0\x39\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cthis port speaks TLS: switch TLS on in the client";
    const HTTP_1: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
        This port speaks TLS: use https.\n";
    if first == b"PRI " { HTTP_2 } else { HTTP_1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goodbye_frame_has_its_length() {
        let goodbye = &answer_in_plain_text(b"PRI ")[9..];
        assert_eq!(goodbye.len() - 9, usize::from(goodbye[2]));
        assert!(answer_in_plain_text(b"GET ").starts_with(b"HTTP/1.0 400"));
    }
}
