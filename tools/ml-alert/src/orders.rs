//! `silence` and `resolve`: people ask, and the state obeys; where another run holds it, with the next record of that run.

use crate::cli::{By, Cli, Resolve, SilenceArgs};
use crate::engine::order::Order;
use crate::engine::state::{State, VERSION};
use crate::rules::Rules;
use crate::spool::Spool;
use crate::work::{self, rule_files, state_path};
use jiff::{SignedDuration, Timestamp};
use ml_common::people::counted;
use ml_common::record::{Step, timestamp};
use ml_common::{Class, Done, Failure, Result, Stage, Status};
use ml_watch::state::StateFile;

/// What became of an order.
enum Given {
    /// It would be obeyed.
    Planned,
    /// It was.
    Obeyed,
    /// The run that holds the state will.
    Left,
}

/// Silences something for a while, or ends a silence.
///
/// # Errors
/// Class Usage for a malformed pattern or an unknown number.
pub fn silence(args: &SilenceArgs, stage: &Stage) -> Result<Done> {
    if let Some(number) = args.expire {
        let (changed, given) = give(&Order::Expire { number }, stage)?;
        if changed.is_empty() {
            return Err(Failure::new(Class::Usage, format!("there is no silence {number}")).hint("ml-alert list shows them"));
        }
        return Ok(said(
            &given,
            format!("silence {number} is over"),
            format!("would end silence {number}"),
            format!("silence {number} ends with the next record of the run that holds the state"),
        ));
    }
    let Some(pattern) = args.pattern.clone() else {
        return Err(Failure::new(Class::Usage, "nothing is named to be silenced").hint("name an id or a rule, with * for any part of it"));
    };
    if args.lasting.is_zero() {
        return Err(Failure::new(Class::Usage, "a silence of no time silences nothing").hint("give --for a time, such as 2h"));
    }
    let from = Timestamp::now();
    let until = SignedDuration::try_from(args.lasting).ok().and_then(|lasting| from.checked_add(lasting).ok());
    let until = until.ok_or_else(|| Failure::new(Class::Usage, "that is too long").hint("give an end within this millennium"))?;
    is_pattern(&pattern)?;
    let order = Order::Silence { pattern: pattern.clone(), from, until, author: author(&args.by, stage), reason: args.by.reason.clone() };
    let (changed, given) = give(&order, stage)?;
    let until = timestamp(until);
    Ok(said(
        &given,
        format!("{pattern} is silenced until {until}; to end it: ml-alert silence --expire {}", changed.join("")),
        format!("would silence {pattern} until {until}"),
        format!(
            "{pattern} is silenced until {until}, from the next record on of the run that holds the state; ml-alert list shows its number then"
        ),
    ))
}

/// Takes what fires for over.
///
/// # Errors
/// Class Usage for a malformed pattern, for rules that judge each run by itself, and when nothing of that name fires; Config for rules that
/// cannot be read.
pub fn resolve(cli: &Cli, args: &Resolve, stage: &Stage) -> Result<Done> {
    is_pattern(&args.pattern)?;
    if Rules::read(&rule_files(cli, stage)?, &stage.settings)?.each_run {
        return Err(Failure::new(Class::Usage, "by these rules each run is judged by itself, and nothing goes on from run to run")
            .hint("correct what is bad, or take the check out; ml-alert silence keeps it from being told"));
    }
    let (pattern, at, author) = (args.pattern.clone(), Timestamp::now(), author(&args.by, stage));
    let (changed, given) = give(&Order::Resolve { pattern, at, author, reason: args.by.reason.clone() }, stage)?;
    if changed.is_empty() {
        return Err(
            Failure::new(Class::Usage, format!("nothing that fires is called {}", args.pattern)).hint("ml-alert list shows what does")
        );
    }
    let status = if matches!(given, Given::Planned) { Status::Planned } else { Status::Ok };
    for name in &changed {
        let id = name.splitn(3, ' ').nth(2).unwrap_or(name);
        stage.step(status, Step { id: format!("alert.{id}"), summary: format!("{name}: taken for over"), ..Step::default() });
    }
    let count = counted(changed.len(), "alert");
    Ok(said(
        &given,
        format!("{count} taken for over; whoever was told is told so with the next call (ml-alert --tick </dev/null)"),
        format!("would take {count} for over"),
        format!("{count} taken for over with the next record of the run that holds the state"),
    ))
}

/// Has the order obeyed; gives what it changes.
fn give(order: &Order, stage: &Stage) -> Result<(Vec<String>, Given)> {
    let path = state_path(stage);
    let spool = Spool::beside(&path);
    // What waits there was asked for before.
    let obey = |state: &mut State| {
        let waiting = spool.orders();
        waiting.iter().for_each(|(_, earlier)| drop(state.obey(earlier)));
        (state.obey(order), waiting)
    };
    let look = || StateFile::<State>::look(&path, VERSION).map(|mut file| obey(&mut file.value).0);
    if stage.dry_run {
        return Ok((look()?, Given::Planned));
    }
    match StateFile::<State>::open(&path, VERSION) {
        Ok(mut file) => {
            work::tell_damage(&file, stage);
            let (changed, waiting) = obey(&mut file.value);
            file.save()?;
            // One that stays is obeyed again, which changes little.
            waiting.iter().for_each(|(path, _)| drop(std::fs::remove_file(path)));
            Ok((changed, Given::Obeyed))
        }
        Err(failure) if failure.class == Class::Locked => {
            let changed = look()?;
            if !changed.is_empty() {
                spool.order(order, &stage.name)?;
            }
            Ok((changed, Given::Left))
        }
        Err(failure) => Err(failure),
    }
}

fn is_pattern(pattern: &str) -> Result<()> {
    if pattern.trim().is_empty() {
        return Err(Failure::new(Class::Usage, "the pattern is empty").hint("write an id or a rule, with * for any part of it"));
    }
    glob::Pattern::new(pattern).map(drop).map_err(|error| {
        Failure::new(Class::Usage, format!("'{pattern}' is no pattern: {error}")).hint("write an id or a rule, with * for any part of it")
    })
}

fn author(by: &By, stage: &Stage) -> String {
    by.author.clone().or_else(|| stage.env("USER")).unwrap_or_else(|| "nobody".into())
}

fn said(given: &Given, done: String, would: String, will: String) -> Done {
    match given {
        Given::Planned => Done { status: Some(Status::Planned), ..Done::ok(would) },
        Given::Obeyed => Done::ok(done),
        Given::Left => Done::ok(will),
    }
}
