//! Which proxy a request takes. ureq would use one proxy for every scheme and for loopback addresses too.

use crate::{Class, Failure, Result};
use std::net::IpAddr;
use ureq::Proxy;
use ureq::http::Uri;

/// The proxy variables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Proxies {
    https: Option<String>,
    http: Option<String>,
    none_for: Vec<String>,
}

impl Proxies {
    pub(super) fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Proxies {
        let get = |name: &str| env(name).or_else(|| env(&name.to_uppercase())).filter(|value| !value.trim().is_empty());
        let all = get("all_proxy");
        let none_for = get("no_proxy").unwrap_or_default();
        Proxies {
            https: get("https_proxy").or_else(|| all.clone()),
            http: get("http_proxy").or(all),
            none_for: none_for.split(',').map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).collect(),
        }
    }

    pub(super) fn choose(&self, uri: &Uri) -> Result<Option<Proxy>> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
        if is_loopback(&host) || self.none_for.iter().any(|entry| exempts(entry, &host)) {
            return Ok(None);
        }
        let (variable, proxy) = if uri.scheme_str() == Some("https") { ("https_proxy", &self.https) } else { ("http_proxy", &self.http) };
        // The value may carry a password, so it is not repeated.
        let wrong =
            |_| Failure::new(Class::Config, format!("{variable} (or all_proxy) is not a usable proxy URL")).hint("write http://host:port");
        proxy.as_deref().map(|proxy| Proxy::new(proxy).map_err(wrong)).transpose()
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|addr| addr.is_loopback())
}

/// As curl: an entry covers its name and everything below it; `*` covers all.
fn exempts(entry: &str, host: &str) -> bool {
    let name = entry.trim_start_matches("*.").trim_start_matches('.');
    entry == "*" || host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(env: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = Proxies::from_env(&|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()));
        proxies.choose(&url.parse().unwrap()).unwrap().map(|proxy| proxy.host().to_owned())
    }

    #[test]
    fn the_scheme_chooses_and_loopback_goes_direct() {
        let env = [("HTTPS_PROXY", "http://secure:1"), ("http_proxy", "http://plain:2"), ("NO_PROXY", "inner.org, .lan")];
        for (url, proxy) in [
            ("https://example.org/", Some("secure")),
            ("http://example.org/", Some("plain")),
            ("http://localhost:9/", None),
            ("http://127.0.0.9/", None),
            ("http://[::1]:80/", None),
            ("https://inner.org/", None),
            ("https://a.inner.org/", None),
            ("https://notinner.org/", Some("secure")),
            ("https://x.lan/", None),
        ] {
            assert_eq!(chosen(&env, url).as_deref(), proxy, "{url}");
        }
        assert_eq!(chosen(&[("ALL_PROXY", "http://any:3")], "https://example.org/").as_deref(), Some("any"));
        assert_eq!(chosen(&[("ALL_PROXY", "http://any:3"), ("no_proxy", "*")], "https://example.org/"), None);
    }

    #[test]
    fn a_bad_proxy_is_named_and_not_shown() {
        let proxies = Proxies::from_env(&|name| (name == "https_proxy").then(|| "http://user:hunter2@ho st".to_owned()));
        let failure = proxies.choose(&"https://example.org/".parse().unwrap()).unwrap_err();
        assert!(failure.message.contains("https_proxy") && !failure.for_people().contains("hunter2"), "{failure:?}");
    }
}
