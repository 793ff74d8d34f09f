//! `marketsvc healthcheck`

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// Time limit for connecting, and for each read.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Server to check.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Address at which the server listens, without TLS; 0.0.0.0 stands for this machine
    #[arg(
        long,
        env = "MARKETSVC_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:9090"
    )]
    listen: String,
}

/// Fails with the reason unless the server is ready.
pub fn run(options: &Options) -> Result<()> {
    let address = resolve(&options.listen)?;
    let answer = request_readiness(address).with_context(|| format!("no answer from {address}"))?;
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        bail!("not ready: {status} {body}");
    }
    Ok(())
}

/// Resolves the address; a server that listens at 0.0.0.0 is reached through the loopback address.
fn resolve(listen: &str) -> Result<SocketAddr> {
    let mut found =
        listen.to_socket_addrs().with_context(|| format!("invalid address {listen}"))?;
    let mut address = found.next().with_context(|| format!("invalid address {listen}"))?;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(address)
}

fn request_readiness(address: SocketAddr) -> std::io::Result<String> {
    let mut server = TcpStream::connect_timeout(&address, TIMEOUT)?;
    server.set_read_timeout(Some(TIMEOUT))?;
    server.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}
