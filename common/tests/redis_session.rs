//! Redis sessions against a real private server.
#![cfg(unix)]

use ml_common::Class;
use ml_common::redis::Target;
use ml_tests::RedisServer;
use std::time::Duration;

#[test]
fn a_queue_is_counted_and_filled_up_to_its_limit() {
    let server = RedisServer::start();
    for url in [server.url(), server.socket_url()] {
        let mut session = Target::parse(&url).unwrap().connect().unwrap();
        session.ping().unwrap();
        assert!(session.memory().unwrap().used > 0);
        assert!(session.info("server").unwrap().iter().any(|(field, _)| field == "redis_version"));
    }
    let mut session = Target::parse(&server.url()).unwrap().connect().unwrap();
    assert_eq!(session.llen("queue").unwrap(), 0);
    assert_eq!(session.rpush("queue", &[b"a", b"b"], 3).unwrap(), Some(2));
    assert_eq!(session.rpush("queue", &[b"c", b"d"], 3).unwrap(), None, "four would be over the limit");
    assert_eq!(session.rpush("queue", &[], 3).unwrap(), Some(2));
    assert_eq!(session.rpush("queue", &[b"c"], 3).unwrap(), Some(3));
    let values: Vec<String> = redis::cmd("LRANGE").arg("queue").arg(0).arg(-1).query(&mut server.connection()).unwrap();
    assert_eq!(values, ["a", "b", "c"]);
}

#[test]
fn refusals_say_what_to_do() {
    let server = RedisServer::start();
    let at = format!("127.0.0.1:{}", server.port());
    let failure = |url: &str| {
        let mut target = Target::parse(url).unwrap();
        target.connect_timeout = Duration::from_secs(1);
        target.connect().and_then(|mut session| session.ping()).unwrap_err()
    };
    for (url, hint) in [
        (format!("redis://{at}"), "put the password into REDIS_URL"),
        (format!("redis://:hunter2@{at}"), "correct user and password"),
        (format!("rediss://{at}"), "takes TLS"),
    ] {
        let failure = failure(&url);
        assert_eq!(failure.class, Class::Network, "{url}");
        assert!(failure.hint.clone().unwrap_or_default().contains(hint), "{url}: {failure:?}");
        assert!(failure.message.contains(&at) && !failure.for_people().contains("hunter2"), "{failure:?}");
    }
    let mut other = server.connection();
    redis::cmd("SET").arg("queue").arg("text").exec(&mut other).unwrap();
    let mut session = Target::parse(&server.url()).unwrap().connect().unwrap();
    assert!(session.llen("queue").unwrap_err().hint.unwrap().contains("QUEUE_KEY"));
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").exec(&mut other).unwrap();
    assert!(session.rpush("list", &[b"x"], 9).unwrap_err().hint.unwrap().contains("maxmemory"));
    assert_eq!(session.memory().unwrap().max, Some(1));
}
