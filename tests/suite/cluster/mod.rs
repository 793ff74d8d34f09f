//! Trials on clusters: several replicas of the service on a database of several servers, of which one fails.
//!
//! They take minutes and need root, so they are ignored unless `TEST_CLUSTER=short` or `TEST_CLUSTER=long` asks for them.

mod counter;
mod galera;
mod haproxy;
mod load;
mod network;
mod outcomes;
mod postgres;
mod replicas;
mod site;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use libtest_mimic::{Failed, Trial};

/// Extent of the trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Short,
    Long,
}

impl Form {
    /// Returns the extent that the environment asks for, if it does.
    fn requested() -> Option<Self> {
        match std::env::var("TEST_CLUSTER").ok()?.as_str() {
            "short" => Some(Self::Short),
            "long" => Some(Self::Long),
            other => panic!("TEST_CLUSTER may be short or long, not {other}"),
        }
    }

    /// Returns the number of times to repeat something, in the short or the long form.
    pub fn times(self, short: usize, long: usize) -> usize {
        if self == Self::Short { short } else { long }
    }

    /// Returns a limit of time in the long form; five times as much in the short one, which runs on busy machines.
    pub fn limit(self, seconds: f64) -> Duration {
        Duration::from_secs_f64(if self == Self::Short { 5.0 * seconds } else { seconds })
    }
}

/// A trial with its name.
pub struct ClusterCase {
    name: &'static str,
    /// Shortest form that it is part of.
    from: Form,
    obstacle: fn() -> Option<&'static str>,
    body: fn(Form) -> LocalBoxFuture<'static, ()>,
}

/// Lists trials by the shortest form that they are part of: `cluster_cases![obstacle; Short: a, b; Long: c;]`.
macro_rules! cluster_cases {
    ($obstacle:expr; $($form:ident: $($trial:ident),+;)+) => {
        vec![$($($crate::cluster::ClusterCase {
            name: concat!(module_path!(), "::", stringify!($trial)),
            from: $crate::cluster::Form::$form,
            obstacle: $obstacle,
            body: |form| Box::pin($trial(form)),
        }),+),+]
    };
}
use cluster_cases;

/// Returns one `libtest_mimic` trial for each cluster trial.
pub fn trials() -> Vec<Trial> {
    let requested = Form::requested();
    let cases = [galera::cases(), postgres::cases()];
    let trials = cases.into_iter().flatten().map(|case| {
        let name = case.name.trim_start_matches("suite::");
        let is_requested = requested.is_some_and(|form| form >= case.from);
        let trial = Trial::test(name, move || run(&case, requested.unwrap_or(Form::Short)));
        trial.with_ignored_flag(!is_requested)
    });
    trials.collect()
}

/// Runs a trial in a thread, which has a network of its own.
fn run(case: &ClusterCase, form: Form) -> Result<(), Failed> {
    let obstacles = [network::obstacle, haproxy::obstacle, case.obstacle];
    if let Some(obstacle) = obstacles.iter().find_map(|obstacle| obstacle()) {
        return Err(obstacle.into());
    }
    let body = case.body;
    let trial = std::thread::spawn(move || {
        network::enter();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime should start").block_on(body(form));
    });
    trial.join().map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").into()
    })
}
