//! What watching and alerting share: expressions and thresholds, configuration files whose mistakes are told with their place, state files, and trends.

pub mod expr;
pub mod near;
pub mod threshold;
pub mod units;
