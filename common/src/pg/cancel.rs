//! Cancelling a running query from another thread.

use super::target::Target;
use super::wire::Progress;
use crate::deadline::within;
use postgres::Client;
use std::sync::Arc;
use std::time::Duration;

/// A cancel request is small; a server that does not take it in this time will not.
const LIMIT: Duration = Duration::from_secs(5);

/// A hook that asks the server to cancel what `client` is running, encrypted as the session is. The query then fails with SQLSTATE
/// 57014; when none is running, nothing happens. A request that cannot be delivered is logged.
pub fn canceller(client: &Client, target: &Target) -> impl Fn() + Send + Sync + Clone + use<> {
    let (token, target) = (client.cancel_token(), target.clone());
    move || {
        let token = token.clone();
        let connector = target.connector(target.side_encryption(), LIMIT, &Arc::new(Progress::default()));
        match within(LIMIT, move || token.cancel_query(connector)) {
            Some(Ok(())) => {}
            Some(Err(error)) => log::warn!("cancelling the running query: {}", super::failure(&error, "cancel request")),
            None => log::warn!("cancelling the running query: the server does not take the request"),
        }
    }
}
