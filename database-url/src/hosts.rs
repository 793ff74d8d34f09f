//! Servers of a database, of which the first that will do is used.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Time for which a server that would not do is tried after the others.
const DEFERRED_FOR: Duration = Duration::from_secs(30);

/// Servers in the order of preference. Clones share what is known about them.
#[derive(Clone)]
pub struct Hosts(Arc<[Host]>);

/// URL of one server.
pub struct Host {
    /// It may hold a password.
    pub url: String,
    failed_at: Mutex<Option<Instant>>,
}

impl Hosts {
    /// Makes a list of URLs, of one server each.
    pub fn new(urls: impl IntoIterator<Item = String>) -> Self {
        Self(urls.into_iter().map(|url| Host { url, failed_at: Mutex::default() }).collect())
    }

    /// Returns the URL of the first server.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(|host| host.url.as_str())
    }

    /// Returns whether there is a choice.
    pub fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// Returns the servers in the order in which to try them.
    pub fn in_order(&self) -> Vec<&Host> {
        let (deferred, first): (Vec<_>, Vec<_>) =
            self.0.iter().partition(|host| host.is_deferred());
        first.into_iter().chain(deferred).collect()
    }
}

impl Host {
    /// Defers the server for a while.
    pub fn defer(&self) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_deferred(&self) -> bool {
        let failed_at = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed_at.is_some_and(|at| at.elapsed() < DEFERRED_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_failed_is_tried_after_the_others() {
        let hosts = Hosts::new(["a", "b", "c"].map(str::to_owned));
        let order =
            || hosts.in_order().into_iter().map(|host| host.url.clone()).collect::<String>();
        assert_eq!(order(), "abc");
        hosts.0[0].defer();
        assert_eq!(order(), "bca");
        hosts.0[2].defer();
        assert_eq!(order(), "bac");
    }
}
