//! `marketsvc healthcheck`

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which server to ask.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Where the server listens, without TLS; of 0.0.0.0 this machine is asked
    #[arg(
        long,
        env = "MARKETSVC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9090"
    )]
    listen: String,
}

/// Succeeds when the server is ready, and says why it is not.
pub fn run(options: &Options) -> Result<()> {
    let address = reachable(&options.listen)?;
    let answer = ask(address).with_context(|| format!("no answer from {address}"))?;
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        bail!("not ready: {status} {body}");
    }
    Ok(())
}

/// 0.0.0.0 is where to listen, not where to ask.
fn reachable(listen: &str) -> Result<SocketAddr> {
    let mut found = listen.to_socket_addrs().with_context(|| format!("{listen} is no address"))?;
    let mut address = found.next().with_context(|| format!("{listen} is no address"))?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(address)
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}
