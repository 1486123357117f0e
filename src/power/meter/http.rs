//! A meter that answers JSON over HTTP: a smart plug, or whatever gathers such plugs.

use super::lines::{Figure, parse};
use serde_json::Value;
use std::io::{self, Read};
use std::str::FromStr;
use std::time::Duration;

/// How often it is asked: plugs renew their figures once a second.
pub const ASKED_EVERY: Duration = Duration::from_secs(1);
/// A later answer is none: when its figure was measured is not known.
const LATEST_S: u64 = 2;
/// What minreq says, as a 503, of an answer that does not begin as HTTP does.
const NO_HTTP: &str = "Server did not provide a status line";
/// A plug's whole status has a few kilobytes.
const LONGEST_ANSWER: u64 = 1 << 18;

/// Where it answers, and where in its answer the watts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    /// Names of fields, or places in lists, from the outermost.
    field: Vec<String>,
}

impl FromStr for Endpoint {
    type Err = &'static str;

    /// `http://HOST/PATH#FIELD.FIELD`: what stands behind `#` is never sent.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (url, field) = text.split_once('#').unwrap_or((text, ""));
        let field: Vec<String> = field.split('.').map(str::to_owned).collect();
        match url.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default()) {
            None if url.starts_with("https://") => Err("asks without TLS: take a command instead, such as curl"),
            None | Some("") => Err("names no host: http://HOST/PATH#FIELD"),
            Some(host) if host.contains('@') => Err("sends no password: take a command instead, such as curl"),
            Some(_) if field.iter().any(String::is_empty) => {
                Err("does not say which field of the answer holds the watts: http://HOST/PATH#FIELD, such as #apower")
            }
            Some(_) => Ok(Endpoint { url: url.into(), field }),
        }
    }
}

impl Endpoint {
    /// Asks once.
    ///
    /// # Errors
    /// Why there is no figure, without a word of where it was asked: records hold it.
    pub fn ask(&self) -> Result<Figure, String> {
        let answer = minreq::get(&self.url).with_timeout(LATEST_S).send_lazy().map_err(|error| in_words(&error))?;
        if answer.reason_phrase == NO_HTTP {
            return Err("its answer is no HTTP".into());
        }
        if !(200..300).contains(&answer.status_code) {
            return Err(format!("it answered with HTTP's status {}", answer.status_code));
        }
        let mut body = vec![];
        answer.take(LONGEST_ANSWER).read_to_end(&mut body).map_err(|error| unheard(&error))?;
        let answer: Value = serde_json::from_slice(&body).map_err(|_| "its answer is no JSON")?;
        figure(&answer, &self.field).ok_or_else(|| "its answer has no watts in that field".into())
    }
}

/// A number, or a text that is one.
fn figure(answer: &Value, field: &[String]) -> Option<Figure> {
    let value = field.iter().try_fold(answer, |value, name| match value {
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })?;
    match value {
        Value::Number(number) => parse(&number.to_string()),
        Value::String(text) => parse(text).filter(|figure| figure.own_s.is_none()),
        _ => None,
    }
}

fn in_words(error: &minreq::Error) -> String {
    match error {
        minreq::Error::IoError(error) => unheard(error),
        minreq::Error::AddressNotFound => "its host is not found".into(),
        _ => "its answer is no HTTP".into(),
    }
}

fn unheard(error: &io::Error) -> String {
    use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut, WouldBlock};
    match error.kind() {
        TimedOut | WouldBlock => format!("no answer within {LATEST_S} s"),
        kind @ (ConnectionRefused | HostUnreachable | NetworkUnreachable) => kind.to_string(),
        _ => "its host is not found, or hangs up".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_and_the_field_behind_it() {
        let found: Endpoint = "http://192.168.1.20/cm?cmnd=Status%208#StatusSNS.ENERGY.Power".parse().unwrap();
        assert_eq!(found.url, "http://192.168.1.20/cm?cmnd=Status%208");
        assert_eq!(found.field, ["StatusSNS", "ENERGY", "Power"]);
        for (text, why) in [
            ("https://plug/#apower", "without TLS"),
            ("http:///rpc#apower", "no host"),
            ("plug/rpc#apower", "no host"),
            ("http://me:secret@plug/rpc#apower", "no password"),
            ("http://plug/rpc", "which field"),
            ("http://plug/rpc#", "which field"),
            ("http://plug/rpc#a..b", "which field"),
        ] {
            assert!(text.parse::<Endpoint>().unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn a_field_lies_however_deep_and_in_lists_and_may_be_a_text() {
        let at = |answer: &str, field: &str| {
            let field: Vec<String> = field.split('.').map(str::to_owned).collect();
            figure(&serde_json::from_str(answer).unwrap(), &field).map(|figure| figure.watts)
        };
        assert_eq!(at(r#"{"id":0,"apower":63.5,"aenergy":{"total":1.5}}"#, "apower"), Some(63.5));
        assert_eq!(at(r#"{"StatusSNS":{"ENERGY":{"Power":63}}}"#, "StatusSNS.ENERGY.Power"), Some(63.0));
        assert_eq!(at(r#"{"StatusSNS":{"ENERGY":{"Power":[1,2.5]}}}"#, "StatusSNS.ENERGY.Power.1"), Some(2.5));
        assert_eq!(at(r#"{"meters":[{"power":7}]}"#, "meters.0.power"), Some(7.0));
        assert_eq!(at(r#"{"switch:0":{"apower":"8.5 W"}}"#, "switch:0.apower"), Some(8.5));
        for (answer, field) in [
            (r#"{"apower":null}"#, "apower"),
            (r#"{"apower":true}"#, "apower"),
            (r#"{"apower":{"value":1}}"#, "apower"),
            (r#"{"apower":1e300}"#, "apower"),
            (r#"{"apower":"1,5"}"#, "apower"),
            (r#"{"voltage":230}"#, "apower"),
            (r#"[1]"#, "1"),
            ("7", "apower"),
        ] {
            assert_eq!(at(answer, field), None, "{answer}");
        }
    }
}
