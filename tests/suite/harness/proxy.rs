//! A way to a database server that can be cut, and mended.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Passes bytes between clients and one server. Dropping it cuts it.
pub struct Proxy {
    /// `127.0.0.1:PORT`
    pub address: String,
    server: String,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let proxy = Self { address, server: server.to_owned(), accepting: Mutex::default() };
        proxy.accept(listener);
        proxy
    }

    /// Ends every connection and refuses new ones.
    pub fn cut(&self) {
        if let Some(accepting) = self.accepting.lock().expect("no holder panics").take() {
            accepting.abort();
        }
    }

    /// Lets clients through again.
    pub async fn mend(&self) {
        let listener = TcpListener::bind(&self.address).await.expect("the port was ours");
        self.accept(listener);
    }

    fn accept(&self, listener: TcpListener) {
        let server = Arc::new(self.server.clone());
        let accepting = tokio::spawn(async move {
            let mut passing = JoinSet::new(); // Ended with this task.
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
        self.cut();
    }
}

async fn pass(mut client: TcpStream, server: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
