//! A Redis server, as profiles ask for it: over one connection a probe, and one INFO a tick for all that INFO tells.

mod info;
mod queue;
#[cfg(all(test, unix))]
mod tests;

use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use crate::server::{Connection, Held};
use info::Info;
use jiff::Timestamp;
use ml_common::redis::{Session, Target, is_denied};
use ml_common::{Class, Failure, Result};
use std::time::{Duration, Instant};

/// `kind = "redis"`.
pub static KIND: Kind = Kind {
    name: "redis",
    doc: "A Redis server, over one connection for all checks of the probe. Its user needs PING and INFO, and for queues TYPE and reading the keys; \
          what it may not do is skipped, with `privilege`, and never ok.",
    params: &[Param {
        name: "url",
        kind: ParamKind::Url,
        required: false,
        default: None,
        doc: "`redis://user:password@host:6379/0`, `rediss://` for TLS. Without it REDIS_URL.",
    }],
    views: &[
        PING,
        info::SERVER,
        info::MEMORY,
        info::EVICTIONS,
        info::HITS,
        info::CLIENTS,
        info::PERSISTENCE,
        info::REPLICATION,
        queue::QUEUE,
    ],
    open,
};

const PING: View = View {
    name: "ping",
    doc: "That the server answers. The connection is opened when there is none: in watch mode the first time, and after the server ended it.",
    params: &[],
    metrics: &[
        Metric { name: "ms", unit: "ms", doc: "Time until the answer, connecting included where that was done." },
        Metric { name: "opened", unit: "", doc: "Whether the connection was opened now." },
    ],
    named_by: None,
};

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let Some(url) = args.text("url").or_else(|| opening.settings.get("REDIS_URL")) else {
        let missing = Failure::new(Class::Config, "the probe has no url, and REDIS_URL is not set");
        return Err(missing.hint("give the probe a url, or set REDIS_URL in the settings"));
    };
    let queue = opening.settings.text("QUEUE_KEY").to_owned();
    Ok(Box::new(Server { target: Target::parse(url)?, queue, session: None, opened: None, info: None, refused: None }))
}

struct Server {
    target: Target,
    /// QUEUE_KEY.
    queue: String,
    session: Option<Session>,
    /// How long it took to connect, in the look that did.
    opened: Option<Duration>,
    /// What INFO said in that tick.
    info: Option<(Timestamp, Info)>,
    /// The tick at which nobody answered: the other checks of that tick need not wait for it again.
    refused: Option<(Timestamp, Failure)>,
}

impl Probe for Server {
    fn server(&self) -> Option<crate::server::Server> {
        Some(crate::server::Server::Redis(Box::new(self.target.clone())))
    }

    fn release(&mut self) -> Option<Held> {
        let open = self.session.take().map(|session| Held::Open(Connection::Redis(Box::new(session))));
        open.or_else(|| self.refused.take().map(|(tick, failure)| Held::Refused(tick, failure)))
    }

    fn adopt(&mut self, held: Held) {
        match held {
            Held::Open(Connection::Redis(session)) => self.session = Some(*session),
            Held::Open(Connection::Postgres(_)) => {}
            Held::Refused(tick, failure) => self.refused = Some((tick, failure)),
        }
    }

    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        let kept = self.session.is_some();
        let first = self.attempt(view, args, look);
        let result = match first {
            // The server may have ended the connection since the last look.
            Err(failure) if kept && failure.class == Class::Network && !is_denied(&failure) && look.left() > Duration::from_millis(1) => {
                self.attempt(view, args, look)
            }
            other => other,
        };
        result.map_err(|failure| {
            let denied = is_denied(&failure);
            match failure.hint {
                Some(hint) if denied => Unseen::Privilege { what: failure.message, hint },
                hint => Unseen::Failed(Failure { hint, ..failure }),
            }
        })
    }
}

impl Server {
    fn attempt(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample> {
        self.ready(look)?;
        let result = self.ask(view, args, look);
        // After an answer that came too late the next one would be taken for its own.
        if matches!(&result, Err(failure) if failure.class == Class::Network && !is_denied(failure)) {
            self.session = None;
        }
        result
    }

    fn ready(&mut self, look: &Look<'_>) -> Result<()> {
        self.opened = None;
        if let Some((tick, failure)) = &self.refused
            && *tick == look.now
        {
            return Err(failure.clone());
        }
        let left = look.left();
        if let Some(session) = &mut self.session {
            return session.limit(left);
        }
        (self.target.connect_timeout, self.target.response_timeout) = (left, left);
        let began = Instant::now();
        let session = self.target.connect().inspect_err(|failure| self.refused = Some((look.now, failure.clone())))?;
        (self.session, self.opened) = (Some(session), Some(began.elapsed()));
        Ok(())
    }

    fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Failure::new(Class::Internal, "there is no connection"))
    }

    fn ask(&mut self, view: &str, args: &Args, look: &Look<'_>) -> Result<Sample> {
        match view {
            "ping" => self.ping(),
            "queue" => {
                let key = args.text("key").unwrap_or(&self.queue).to_owned();
                let field = args.text("field");
                let waiting = self.session()?.waiting(&key, field.is_some())?;
                Ok(queue::sample(&key, &waiting, field, look.now))
            }
            _ => {
                let now = look.now;
                let sample = info::sample(view, self.info(now)?, now);
                sample.ok_or_else(|| Failure::new(Class::Internal, format!("there is no view {view}")))
            }
        }
    }

    fn ping(&mut self) -> Result<Sample> {
        let began = Instant::now();
        self.session()?.ping()?;
        let took = self.opened.unwrap_or_default() + began.elapsed();
        let ms = (took.as_secs_f64() * 100_000.0).round() / 100.0;
        let note = format!("{} answers in {ms} ms", self.target.describe());
        Ok(Sample { note, ..Sample::default() }.with("ms", ms).with("opened", self.opened.is_some()))
    }

    fn info(&mut self, now: Timestamp) -> Result<&Info> {
        if self.info.as_ref().is_none_or(|(tick, _)| *tick != now) {
            let fields = self.session()?.info("default")?;
            self.info = Some((now, Info::of(fields)));
        }
        self.info.as_ref().map(|(_, info)| info).ok_or_else(|| Failure::new(Class::Internal, "INFO is not there"))
    }
}
