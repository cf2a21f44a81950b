//! The contract between the tools, in one place: records, gates, exits, settings, connections. It knows no tool and no logic.

mod deadline;
pub mod exit;
pub mod failure;
pub mod http;
pub mod pg;
pub mod redis;

pub use exit::Exit;
pub use failure::{Class, Failure, OrFail, Result};
