//! A TCP proxy in front of a database server that can be disconnected, reconnected, and made silent.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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
    cut_after: Arc<Mutex<Option<&'static [u8]>>>,
}

impl Proxy {
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port should be free");
        let address = listener.local_addr().expect("the listener is bound").to_string();
        let is_silent = watch::Sender::new(false);
        let proxy = Self {
            address,
            server: server.to_owned(),
            accepting: Mutex::default(),
            is_silent,
            cut_after: Arc::default(),
        };
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

    /// Closes the connection on which `text` is sent next, after passing it on to the server.
    pub fn cut_after(&self, text: &'static str) {
        *self.cut_after.lock().expect("no holder panics") = Some(text.as_bytes());
    }

    fn accept(&self, listener: TcpListener) {
        let server = Arc::new(self.server.clone());
        let (is_silent, cut_after) = (self.is_silent.clone(), Arc::clone(&self.cut_after));
        let accepting = tokio::spawn(async move {
            let mut passing = JoinSet::new(); // Its tasks end with this task.
            while let Ok((client, _)) = listener.accept().await {
                let (server, mut silence) = (Arc::clone(&server), is_silent.subscribe());
                let cut_after = Arc::clone(&cut_after);
                passing.spawn(async move {
                    let mut client = client;
                    let mut server = TcpStream::connect(&*server).await?;
                    tokio::select! {
                        biased;
                        () = until_true(&mut silence) => pending().await,
                        passed = pass(&mut client, &mut server, &cut_after) => passed,
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

/// Passes bytes on until one side closes its connection or the text to cut after was sent.
async fn pass(
    client: &mut TcpStream,
    server: &mut TcpStream,
    cut_after: &Mutex<Option<&'static [u8]>>,
) -> io::Result<()> {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from_client.read(&mut buffer).await?;
            to_server.write_all(&buffer[..length]).await?;
            if length == 0 || is_sent(&buffer[..length], cut_after) {
                return Ok(());
            }
        }
    };
    tokio::select! {
        passed = requests => passed,
        passed = tokio::io::copy(&mut from_server, &mut to_client) => passed.map(drop),
    }
}

fn is_sent(bytes: &[u8], text: &Mutex<Option<&'static [u8]>>) -> bool {
    let mut text = text.lock().expect("no holder panics");
    let is_sent = text.is_some_and(|text| bytes.windows(text.len()).any(|window| window == text));
    if is_sent {
        *text = None;
    }
    is_sent
}
