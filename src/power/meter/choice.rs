//! `--meter`: which meter, and what it measures.

use super::http::Endpoint;
use super::hwmon;
use crate::host::system::Words;
use crate::record::{MeterInterface, Scope};
use std::path::PathBuf;
use std::str::FromStr;

/// A meter as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterChoice {
    /// The board alone, or the whole machine.
    pub scope: Scope,
    pub from: From,
}

/// Where its figures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// For the system's shell.
    Command(String),
    File(PathBuf),
    Http(Endpoint),
    /// A driver or a folder of the kernel's.
    Hwmon(String),
}

impl MeterChoice {
    /// What the record says of it.
    pub fn interface(&self) -> MeterInterface {
        match self.from {
            From::Command(_) => MeterInterface::Command,
            From::File(_) => MeterInterface::File,
            From::Http(_) => MeterInterface::Http,
            From::Hwmon(_) => MeterInterface::Hwmon,
        }
    }
}

impl FromStr for MeterChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scope, from) = text.split_once(':').ok_or_else(|| wrong(text))?;
        let scope = match scope {
            "board" => Scope::Board,
            "wall" => Scope::System,
            _ => return Err(wrong(text)),
        };
        let from = match from.split_once(':').unwrap_or((from, "")) {
            ("hwmon", "") if from == "hwmon" => From::Hwmon(hwmon::USUAL.into()),
            (_, rest) if rest.trim().is_empty() => return Err(wrong(text)),
            ("command", command) => From::Command(command.into()),
            ("file", path) => From::File(path.into()),
            ("http" | "https", _) => From::Http(from.parse().map_err(|why| format!("a meter by HTTP {why}"))?),
            ("hwmon", name) => From::Hwmon(name.into()),
            _ => return Err(wrong(text)),
        };
        Ok(MeterChoice { scope, from })
    }
}

fn wrong(text: &str) -> String {
    const SUCH_AS: &str = Words {
        linux: "board:file:riser.csv, 'wall:command:./plug.sh' or 'wall:http://plug/rpc/Switch.GetStatus?id=0#apower'",
        macos: "board:file:riser.csv, 'wall:command:./plug.sh' or 'wall:http://plug/rpc/Switch.GetStatus?id=0#apower'",
        windows: r#"board:file:riser.csv, wall:command:plug.bat or "wall:http://plug/rpc/Switch.GetStatus?id=0#apower""#,
    }
    .here();
    format!(
        "'{text}' names no meter: say what it measures (board or wall), where its figures come from (command, file, http or hwmon), \
         and which, such as {SUCH_AS}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_named_by_scope_kind_and_what_comes_then_colons_and_all() {
        let found: MeterChoice = "wall:command:curl -s http://plug:80/ | jq .apower".parse().unwrap();
        let command = "curl -s http://plug:80/ | jq .apower".to_owned();
        assert_eq!(found, MeterChoice { scope: Scope::System, from: From::Command(command) });
        let found: MeterChoice = r"board:file:C:\log.csv".parse().unwrap();
        assert_eq!(found, MeterChoice { scope: Scope::Board, from: From::File(r"C:\log.csv".into()) });
        let found: MeterChoice = "wall:http://plug:8080/status#meters.0.power".parse().unwrap();
        assert_eq!(found.from, From::Http("http://plug:8080/status#meters.0.power".parse().unwrap()));
        let without: String = "wall:http://plug/status".parse::<MeterChoice>().unwrap_err();
        assert!(without.contains("does not say which field"), "{without}");
        assert!("wall:https://plug/#a".parse::<MeterChoice>().unwrap_err().contains("such as curl"));
        let hwmon = |text: &str| text.parse::<MeterChoice>().unwrap().from;
        assert_eq!(hwmon("wall:hwmon"), From::Hwmon("power_meter".into()));
        assert_eq!(hwmon("board:hwmon:ina226"), From::Hwmon("ina226".into()));
        for text in [
            "", "wall", "wall:command", "wall:command:", "board:file: ", "rack:file:a", "wall:serial:/dev/x",
            "wall:hwmon:",
        ] {
            assert!(text.parse::<MeterChoice>().unwrap_err().contains("wall:command:./plug.sh"), "{text}");
        }
    }
}
