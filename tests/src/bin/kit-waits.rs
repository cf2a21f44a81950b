//! Starts one of each of the kit's servers and waits to be killed: for the test that nothing is left then.
#![allow(clippy::print_stdout, reason = "its output is what the test reads")]

fn main() {
    #[cfg(unix)]
    {
        use ml_tests::{Cluster, RedisServer};
        let (private, shared, redis) = (Cluster::private(), Cluster::shared(), RedisServer::start());
        for folder in [private.dir(), shared.dir(), redis.dir()] {
            println!("folder {}", folder.display());
        }
        println!("all started");
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
