//! Reasons for which requests are refused because of limits.

use actix_web::http::StatusCode;

/// Limit because of which a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Connections at the same time.
    Connections,
    /// Requests per second from an address.
    RatePerAddress,
    /// Answers 401 and 403 per second to an address.
    RateOfRefusals,
    /// Requests per second with an API key.
    RatePerKey,
    /// Requests at the same time.
    Requests,
    /// Requests of one client at the same time.
    RequestsOfClient,
    /// Reports and streams at the same time.
    Expensive,
    /// Reports and streams of one client at the same time.
    ExpensiveOfClient,
    /// Memory of bodies that have not arrived.
    Bodies,
    /// Memory of a client's bodies that have not arrived.
    BodiesOfClient,
    /// Memory of long answers that have not been sent.
    Answers,
    /// Memory of a client's long answers that have not been sent.
    AnswersOfClient,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 12] = [
        Self::Connections,
        Self::RatePerAddress,
        Self::RateOfRefusals,
        Self::RatePerKey,
        Self::Requests,
        Self::RequestsOfClient,
        Self::Expensive,
        Self::ExpensiveOfClient,
        Self::Bodies,
        Self::BodiesOfClient,
        Self::Answers,
        Self::AnswersOfClient,
    ];

    /// Returns the name in metrics and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::RatePerAddress => "rate_per_address",
            Self::RateOfRefusals => "rate_of_refusals",
            Self::RatePerKey => "rate_per_key",
            Self::Requests => "requests",
            Self::RequestsOfClient => "requests_of_client",
            Self::Expensive => "expensive",
            Self::ExpensiveOfClient => "expensive_of_client",
            Self::Bodies => "bodies",
            Self::BodiesOfClient => "bodies_of_client",
            Self::Answers => "answers",
            Self::AnswersOfClient => "answers_of_client",
        }
    }

    /// Returns the status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::RatePerAddress | Self::RateOfRefusals | Self::RatePerKey => {
                StatusCode::TOO_MANY_REQUESTS
            }
            _ => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Returns the detail for the client.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::RatePerAddress | Self::RatePerKey => {
                "too many requests in a short time; send fewer requests per second"
            }
            Self::RateOfRefusals => {
                "too many requests without a sufficient API key from this address; try again"
            }
            Self::Connections => "too many connections at the same time; try again",
            Self::Requests => "too many requests at the same time; try again",
            Self::RequestsOfClient => {
                "too many requests of this client at the same time; try again"
            }
            Self::Expensive => {
                "too many reports, exports and long lists at the same time; try again"
            }
            Self::ExpensiveOfClient => {
                "too many reports, exports and long lists of this client at the same time; try again"
            }
            Self::Bodies => "too many requests whose body has not arrived; try again",
            Self::BodiesOfClient => {
                "too many requests of this client whose body has not arrived; try again"
            }
            Self::Answers => "too many long answers that have not been read; try again",
            Self::AnswersOfClient => {
                "too many long answers of this client that have not been read; try again"
            }
        }
    }
}
