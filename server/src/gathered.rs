//! Answers that become ready together leave together.
//!
//! One commit lets many answers go, and each wakes the connection that it belongs to. The runtime would run that connection
//! right after the first of them, and then again after the next: a system call and a packet for each. So a connection that has
//! something to write lets everything else go first that can run now. There is no timer, and an answer that is alone waits for nothing.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

/// A connection whose first write after each flush comes when its task runs for the second time.
pub(crate) struct Gathered<S> {
    stream: S,
    has_waited: bool,
}

impl<S: Unpin> Gathered<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, has_waited: false }
    }

    fn stream(&mut self) -> Pin<&mut S> {
        Pin::new(&mut self.stream)
    }

    /// Pending once; the task is put behind all that are ready.
    fn wait_for_others(&mut self, context: &Context) -> Poll<()> {
        if self.has_waited {
            return Poll::Ready(());
        }
        self.has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.wait_for_others(context));
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context,
        parts: &[io::IoSlice],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.wait_for_others(context));
        self.stream().poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        std::task::ready!(self.stream().poll_flush(context))?;
        self.has_waited = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

impl<S: Connected> Connected for Gathered<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Two writes without a flush between them wait once; the next one after a flush waits again.
    #[tokio::test(flavor = "current_thread")]
    async fn a_write_lets_others_go_first() {
        let (near, mut far) = duplex(64);
        let order = Arc::new(Mutex::new(Vec::new()));
        let noted = order.clone();
        let note = move |what: &'static str| noted.lock().push(what);
        let writer = tokio::spawn({
            let note = note.clone();
            async move {
                let mut near = Gathered::new(near);
                near.write_all(b"a").await?;
                note("a");
                near.write_all(b"b").await?;
                note("b");
                near.flush().await?;
                let last = note.clone();
                tokio::spawn(async move { last("a later one") });
                near.write_all(b"c").await?;
                note("c");
                near.flush().await
            }
        });
        tokio::spawn(async move { note("another") });
        writer.await.unwrap().unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abc");
        assert_eq!(*order.lock(), ["another", "a", "b", "a later one", "c"]);
    }
}
