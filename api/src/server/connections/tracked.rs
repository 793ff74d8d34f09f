//! Requests that record in their connection when they begin and when they are answered.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_http::{
    ConnectionType, Request, Response,
    body::{BodySize, MessageBody},
};
use actix_service::{Service, ServiceFactory, apply_fn_factory};
use actix_web::web::Bytes;
use pin_project_lite::pin_project;

use super::connection::{Connection, Phase};

/// Request of a connection, which is answered when this is dropped.
struct OpenRequest(Arc<Connection>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.answered();
    }
}

pin_project! {
    /// Body of an answer. It is dropped when all of it is in the framework's buffer.
    pub(super) struct TrackedBody<B> {
        #[pin]
        body: B,
        request: Option<OpenRequest>,
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        self.project().body.poll_next(context)
    }
}

/// Records the requests to `app`.
pub(super) fn track<F, B>(
    app: F,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Response<TrackedBody<B>>,
    Error = F::Error,
    InitError = F::InitError,
    Service: Service<Request, Future: 'static>,
    Future: 'static,
>
where
    F: ServiceFactory<Request, Config = (), Response: Into<Response<B>>, Future: 'static> + 'static,
    F::Service: Service<Request, Future: 'static>,
    B: 'static,
{
    apply_fn_factory(app, |request: Request, app: &F::Service| {
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        let request_of = |connection: Arc<Connection>| {
            connection.enter(Phase::Request);
            OpenRequest(connection)
        };
        let open = connection.map(request_of);
        let answer = app.call(request);
        async move {
            let mut answer: Response<B> = answer.await?.into();
            if open.as_ref().is_some_and(|open| open.0.is_surplus()) {
                answer.head_mut().set_connection_type(ConnectionType::Close);
            }
            Ok(answer.map_body(|_, body| TrackedBody { body, request: open }))
        }
    })
}
