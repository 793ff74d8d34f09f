//! A TCP proxy in front of a database server that can be disconnected and reconnected.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Forwards bytes between clients and one server. All connections close when this is dropped.
pub struct Proxy {
    /// `127.0.0.1:PORT`
    pub address: String,
    server: String,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
        let address = listener.local_addr().expect("the listener is bound").to_string();
        let proxy = Self { address, server: server.to_owned(), accepting: Mutex::default() };
        proxy.accept(listener);
        proxy
    }

    /// Closes all connections and refuses new ones.
    pub fn disconnect(&self) {
        if let Some(accepting) = self.accepting.lock().expect("no holder panics").take() {
            accepting.abort();
        }
    }

    /// Accepts connections again after [`Self::disconnect`].
    pub async fn reconnect(&self) {
        let listener =
            TcpListener::bind(&self.address).await.expect("the port should still be free");
        self.accept(listener);
    }

    fn accept(&self, listener: TcpListener) {
        let server = Arc::new(self.server.clone());
        let accepting = tokio::spawn(async move {
            let mut passing = JoinSet::new(); // Its tasks end with this task.
            while let Ok((client, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                passing.spawn(async move { pass(client, &server).await });
            }
        });
        *self.accepting.lock().expect("no holder panics") = Some(accepting);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.disconnect();
    }
}

async fn pass(mut client: TcpStream, server: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
