//! TCP stream that records what its connection waits for, and ends when the connection is to be closed.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{
    connection::{Connection, Reason},
    registry::Admission,
};

/// Stream of an admitted connection. It lies below TLS, so the bytes of a handshake count like any other.
///
/// A connection that is to be closed reads like one that the client has closed, so that HTTP ends in order. If the client
/// does not read, writing fails.
pub(super) struct GuardedStream {
    io: TcpStream,
    admission: Admission,
}

impl GuardedStream {
    pub(super) fn new(io: TcpStream, admission: Admission) -> Self {
        Self { io, admission }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.admission.connection
    }

    pub(super) fn peer_address(&self) -> Option<SocketAddr> {
        self.io.peer_addr().ok()
    }

    /// Waits until the client has sent something or the connection is to be closed.
    pub(super) fn poll_received(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection().register(context);
        match self.connection().closing() {
            Some(_) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            None => self.io.poll_read_ready(context),
        }
    }

    /// Records what a write returned. A connection that is being closed does not wait for the client, except that a
    /// server that stops sends its last answers.
    fn wrote<T>(&self, context: &Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let connection = self.connection();
        if outcome.is_ready() {
            connection.written();
            return outcome;
        }
        connection.stalls();
        connection.register(context);
        match connection.closing() {
            None | Some(Reason::Stop) => Poll::Pending,
            Some(_) => {
                // Otherwise the system would keep the unread rest of the answer.
                self.io.set_zero_linger().ok();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if this.connection().reads_as_closed() {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(outcome) = Pin::new(&mut this.io).poll_read(context, buffer) {
            if buffer.filled().len() > before {
                this.connection().received();
            }
            return Poll::Ready(outcome);
        }
        this.connection().register(context);
        // The connection may have been closed before the task was registered.
        if this.connection().reads_as_closed() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(context, bytes);
        this.wrote(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.wrote(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

/// TLS stream over a [`GuardedStream`]. When the server closes the connection it ends like one that the client has ended in
/// order, so that HTTP sends what it has, and TLS its own end.
pub(super) struct TlsGuardedStream(pub TlsStream<GuardedStream>);

impl TlsGuardedStream {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        self.0.get_ref().0.connection()
    }
}

impl AsyncRead for TlsGuardedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.0).poll_read(context, buffer) {
            Poll::Ready(Err(error))
                if error.kind() == io::ErrorKind::UnexpectedEof
                    && this.connection().closing().is_some() =>
            {
                Poll::Ready(Ok(()))
            }
            outcome => outcome,
        }
    }
}

impl AsyncWrite for TlsGuardedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}
