//! What watching and alerting share: expressions and thresholds, configuration files whose mistakes are told with their place, state files, and trends.

pub mod conf;
pub mod exposition;
pub mod expr;
pub mod near;
pub mod state;
pub mod threshold;
pub mod trend;
pub mod units;
pub mod uptime;
