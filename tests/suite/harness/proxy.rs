//! A TCP proxy in front of a database server that can be disconnected, reconnected, and made silent.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Forwards bytes between clients and one server. All connections close when this is dropped.
pub struct Proxy {
    /// `127.0.0.1:PORT`
    pub address: String,
    server: String,
    accepting: Mutex<Option<JoinHandle<()>>>,
    is_silent: watch::Sender<bool>,
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
        let address = listener.local_addr().expect("the listener is bound").to_string();
        let is_silent = watch::Sender::new(false);
        let proxy =
            Self { address, server: server.to_owned(), accepting: Mutex::default(), is_silent };
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

    /// Passes nothing on: connections stay open, new ones are accepted, and nothing arrives.
    pub fn be_silent(&self) {
        self.is_silent.send_replace(true);
    }

    /// Passes new connections on again. Those from before [`Self::be_silent`] ends stay silent for good.
    pub fn pass_new_connections(&self) {
        self.is_silent.send_replace(false);
    }

    fn accept(&self, listener: TcpListener) {
        let server = Arc::new(self.server.clone());
        let is_silent = self.is_silent.clone();
        let accepting = tokio::spawn(async move {
            let mut passing = JoinSet::new(); // Its tasks end with this task.
            while let Ok((client, _)) = listener.accept().await {
                let (server, mut silence) = (Arc::clone(&server), is_silent.subscribe());
                passing.spawn(async move {
                    let mut server = TcpStream::connect(&*server).await?;
                    let mut client = client;
                    tokio::select! {
                        biased;
                        () = until_true(&mut silence) => pending().await,
                        passed = tokio::io::copy_bidirectional(&mut client, &mut server) => {
                            passed.map(drop)
                        }
                    }
                });
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

async fn until_true(state: &mut watch::Receiver<bool>) {
    drop(state.wait_for(|is_true| *is_true).await);
}
