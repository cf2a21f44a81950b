//! The contract between the tools, in one place: records, gates, exits, settings, connections. It knows no tool and no logic.

pub mod child;
pub mod deadline;
pub mod exit;
pub mod failure;
pub mod files;
pub mod fold;
pub mod http;
pub mod people;
pub mod pg;
pub mod platform;
pub mod reader;
pub mod record;
pub mod redact;
pub mod redis;
pub mod settings;
pub mod signal;
pub mod stage;
pub mod tls;

pub use exit::Exit;
pub use failure::{Class, Failure, OrFail, Result};
pub use record::Status;
pub use stage::{Done, Stage, Tool};
