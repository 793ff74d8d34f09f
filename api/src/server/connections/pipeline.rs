//! Listening sockets, and the way of a connection: admission, TLS, HTTP.

use std::{
    fmt,
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, KeepAlive, Protocol, Request, error::DispatchError};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, fn_service,
    map_config,
};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, ServiceResponse},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::either::Either;

use super::{
    Connection, Connections, GuardedStream,
    connection::{Phase, Reason},
    stream::TlsGuardedStream,
    tracked::track,
};

/// Number of connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Time for the rest of a request that was answered before its body was read.
const LINGER: Duration = Duration::from_secs(1);

type HttpStream = Either<GuardedStream, TlsGuardedStream>;

/// TLS of a server.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    rate: Option<Arc<DefaultDirectRateLimiter>>,
}

impl Tls {
    /// Accepts at most `rate` handshakes per second; 0 is no limit.
    pub fn new(mut config: ServerConfig, rate: u32) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let rate = NonZeroU32::new(rate).map(Quota::per_second);
        let rate = rate.map(|quota| Arc::new(RateLimiter::direct(quota)));
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), rate }
    }

    /// Completes the handshake. A client that stays silent counts not against the rate but against the connections.
    async fn accept(
        self,
        io: GuardedStream,
        connections: &Connections,
    ) -> io::Result<TlsGuardedStream> {
        let connection = Arc::clone(io.connection());
        let accepted = async {
            poll_fn(|context| io.poll_received(context)).await?;
            if self.rate.is_some_and(|rate| rate.check().is_err()) {
                return Ok(None);
            }
            self.acceptor.accept(io).await.map(|stream| Some(TlsGuardedStream(stream)))
        };
        let reason = match accepted.await {
            Ok(Some(stream)) => {
                connection.enter(Phase::FirstHead);
                return Ok(stream);
            }
            Ok(None) => "rate",
            Err(_) if connection.closing() == Some(Reason::Handshake) => "timeout",
            Err(_) => "error",
        };
        connections.metrics().failed_handshake(reason);
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// Binds sockets to all addresses of `listen` that are free.
pub fn bind(listen: &str) -> io::Result<Vec<TcpListener>> {
    let bound = listen.to_socket_addrs()?.map(bind_address).collect::<Vec<_>>();
    let (bound, failed): (Vec<_>, Vec<_>) = bound.into_iter().partition(Result::is_ok);
    if bound.is_empty() {
        return Err(failed
            .into_iter()
            .find_map(Result::err)
            .unwrap_or(io::ErrorKind::AddrNotAvailable.into()));
    }
    bound.into_iter().collect()
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Adds a listening socket, whose connections are served by the applications that `factory` makes.
pub fn listen<F, I, S, B>(
    builder: ServerBuilder,
    socket: TcpListener,
    connections: &Arc<Connections>,
    tls: Option<&Tls>,
    factory: F,
) -> io::Result<ServerBuilder>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<
            Request,
            Config = AppConfig,
            Response = ServiceResponse<B>,
            Error = Error,
            InitError: fmt::Debug,
            Future: 'static,
            Service: Service<Request, Future: 'static>,
        > + 'static,
    B: MessageBody + 'static,
{
    let connections = Arc::clone(connections);
    let tls = tls.cloned();
    builder.listen("http", socket, move || {
        let app = factory().into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(connections.limits().head)
            .client_disconnect_timeout(LINGER)
            // A request ends when its client has closed the connection, also if only its sending half.
            .h1_allow_half_closed(false)
            .on_connect_ext(|io: &HttpStream, data| {
                data.insert(Arc::clone(connection_of(io)));
            })
            .finish(track(map_config(app, |()| AppConfig::default())));
        let (admitting, ending) = (Arc::clone(&connections), Arc::clone(&connections));
        let tls = tls.clone();
        fn_service(move |io: TcpStream| admit(io, Arc::clone(&admitting), tls.clone())).and_then(
            apply_fn_factory(http, move |io: Accepted, http| {
                let ended = http.call(io);
                let connections = Arc::clone(&ending);
                async move {
                    let ended: Result<(), DispatchError> = ended.await;
                    ended.inspect_err(|error| connections.metrics().ended(error))
                }
            }),
        )
    })
}

type Accepted = (HttpStream, Protocol, Option<SocketAddr>);

/// Admits a connection and completes its TLS handshake.
async fn admit(
    io: TcpStream,
    connections: Arc<Connections>,
    tls: Option<Tls>,
) -> Result<Accepted, DispatchError> {
    let phase = if tls.is_some() { Phase::Handshake } else { Phase::FirstHead };
    let Some(admission) = connections.admit(phase) else {
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    };
    limit_unsent(&io)?;
    let io = GuardedStream::new(io, admission);
    let peer = io.peer_address();
    let io = match tls {
        None => Either::Left(io),
        Some(tls) => Either::Right(tls.accept(io, &connections).await?),
    };
    Ok((io, Protocol::Http1, peer))
}

/// Limits how much of an answer the system holds beyond what the client is ready to receive. The less it is, the sooner a
/// client that reads slowly is seen to make progress.
#[cfg(target_os = "linux")]
fn limit_unsent(io: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(io).set_tcp_notsent_lowat(64 * 1024)
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

fn connection_of(io: &HttpStream) -> &Arc<Connection> {
    match io {
        Either::Left(io) => io.connection(),
        Either::Right(io) => io.connection(),
    }
}
