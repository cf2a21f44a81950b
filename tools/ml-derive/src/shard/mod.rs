//! The commands `shard`, `merge` and `work`: a length by many processes, on one machine or on many that see the same folder.
//!
//! A length is four steps over the store: its candidates in parts, these merged, its instances in parts, these merged. Each step reads
//! files and publishes files, whole or not at all; doing one twice, by whomever, gives the same bytes. So any scheduler will do that
//! runs commands and waits for them, and [`work`] is one: it takes parts with leases until there is nothing left.
//!
//! [`place`] finds the length and reads what comes before; [`candidates`] and [`instances`] do the steps; [`missing`] says what is not there
//! yet.

mod candidates;
mod instances;
mod leases;
mod missing;
mod parts;
mod place;
mod work;

use crate::cli::Cli;
use crate::engine::exhaustive::Part;
use ml_common::Result;
use ml_common::stage::{Done, Stage};
use place::Place;
use std::path::PathBuf;
use std::time::Duration;

/// More parts than this no scheduler has.
const MOST_PARTS: usize = 1 << 20;

/// What is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The pairs of premises: which new conclusions there are
    Candidates,
    /// Which of these are instances of others
    Instances,
}

impl What {
    /// As it stands in ids and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            What::Candidates => "candidates",
            What::Instances => "instances",
        }
    }
}

/// Which length of which store
#[derive(Clone, Debug, clap::Args)]
pub struct Where {
    /// The store, in a folder that all machines see; ml-derive --no-ledger makes one
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
    /// Length of the proofs [default: the next one that the store does not have]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub length: Option<u16>,
}

/// `ml-derive shard`.
#[derive(Clone, Debug, clap::Args)]
pub struct Shard {
    /// What to do a part of
    pub what: What,
    #[command(flatten)]
    pub place: Where,
    /// Part I of K, from 1/K to K/K
    #[arg(long, value_name = "I/K", value_parser = part)]
    pub part: Part,
}

/// `ml-derive merge`.
#[derive(Clone, Debug, clap::Args)]
pub struct Merge {
    /// What to put together from its parts
    pub what: What,
    #[command(flatten)]
    pub place: Where,
}

/// `ml-derive work`.
#[derive(Clone, Debug, clap::Args)]
pub struct Work {
    /// The store, in a folder that all workers see; ml-derive --no-ledger makes one
    #[arg(long, value_name = "DIR")]
    pub store: PathBuf,
    /// The greatest length to work on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_length: u16,
    /// Into how many parts to divide each step of a length; the same for all workers
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=MOST_PARTS as i64))]
    pub parts: u32,
    /// With REDIS_URL: after so long others take over what a worker that died was doing
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = lease)]
    pub lease: Duration,
}

fn part(text: &str) -> std::result::Result<Part, String> {
    let numbers = text.split_once('/').and_then(|(number, of)| Some((number.parse::<usize>().ok()?, of.parse::<usize>().ok()?)));
    match numbers {
        Some((number, of)) if (1..=of).contains(&number) && of <= MOST_PARTS => Ok(Part { number: number - 1, of }),
        Some((_, of)) if of > MOST_PARTS => Err(format!("there are {MOST_PARTS} parts at most")),
        _ => Err("a part is written I/K, such as 3/16, with I from 1 to K".into()),
    }
}

fn lease(text: &str) -> std::result::Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    // Shorter ones end between two signs of life.
    if time < Duration::from_secs(1) { Err("a lease lasts a second at least".into()) } else { Ok(time) }
}

/// The command `shard`.
pub fn shard(cli: &Cli, args: &Shard, stage: &Stage) -> Result<Done> {
    step(cli, &args.place, stage, |place| match args.what {
        What::Candidates => place.candidates(args.part),
        What::Instances => place.instances(args.part),
    })
}

/// The command `merge`.
pub fn merge(cli: &Cli, args: &Merge, stage: &Stage) -> Result<Done> {
    step(cli, &args.place, stage, |place| {
        place.hold()?;
        match args.what {
            What::Candidates => place.merge_candidates(),
            What::Instances => place.merge_instances(),
        }
    })
}

/// The command `work`.
pub fn work(cli: &Cli, args: &Work, stage: &Stage) -> Result<Done> {
    work::act(cli, args, stage)
}

/// Does one step, and says it.
fn step(cli: &Cli, at: &Where, stage: &Stage, act: impl FnOnce(&mut Place) -> Result<parts::Made>) -> Result<Done> {
    let stop = || stage.cancel.is_set();
    let mut place = Place::open(cli, &at.store, stage, &stop)?;
    let made = match place.find(at.length.map(usize::from))? {
        Some(made) => made,
        None => act(&mut place)?,
    };
    let done = Done { status: made.end_status(), ..Done::ok(made.step.summary.clone()) };
    made.tell(stage);
    Ok(done)
}

impl Shard {
    /// The id of its step, when the call names the length.
    pub fn planned_id(&self) -> Option<String> {
        self.place.length.map(|length| parts::id(self.what, usize::from(length), Some(self.part)))
    }
}

impl Merge {
    /// The id of its step, when the call names the length.
    pub fn planned_id(&self) -> Option<String> {
        self.place.length.map(|length| parts::id(self.what, usize::from(length), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_from_1() {
        assert_eq!((part("1/1"), part("3/16")), (Ok(Part::WHOLE), Ok(Part { number: 2, of: 16 })));
        for nonsense in ["", "1", "0/4", "5/4", "1/0", "-1/4", "1/4/2", "a/b", "1/1048577", "1/99999999999999999999", " 1/2"] {
            assert!(part(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn leases_outlast_their_signs_of_life() {
        assert_eq!(lease("2m"), Ok(Duration::from_secs(120)));
        assert!(lease("0s").is_err() && lease("999ms").is_err() && lease("soon").is_err());
    }
}
