//! Tests that cannot run here say so, and `make test` counts them; a skipped test is never a silent pass.

use std::io::Write;

/// Ends the test as skipped, with the reason: `skip!("needs root to mount a tmpfs")`.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        fn here() {}
        $crate::skip::report(std::any::type_name_of_val(&here), &format!($($reason)+));
        return;
    }};
}

/// Prints the line and adds it to the file `ML_TEST_SKIPS` names, if any (the harness swallows what passing tests print).
pub fn report(test: &str, reason: &str) {
    let line = format!("SKIPPED {}: {reason}", test.trim_end_matches("::here"));
    println!("{line}");
    if let Some(path) = std::env::var_os("ML_TEST_SKIPS") {
        let mut file = std::fs::File::options().create(true).append(true).open(path).expect("the list of skipped tests opens");
        file.write_all(format!("{line}\n").as_bytes()).expect("the list of skipped tests takes a line");
    }
}
