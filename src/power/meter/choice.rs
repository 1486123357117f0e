//! `--meter`: which meter, and what it measures.

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

/// Where its lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// For the system's shell.
    Command(String),
    File(PathBuf),
}

impl MeterChoice {
    /// What the record says of it.
    pub fn interface(&self) -> MeterInterface {
        match self.from {
            From::Command(_) => MeterInterface::Command,
            From::File(_) => MeterInterface::File,
        }
    }
}

impl FromStr for MeterChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        let [scope, kind, rest] = parts[..] else { return Err(wrong(text)) };
        let scope = match scope {
            "board" => Scope::Board,
            "wall" => Scope::System,
            _ => return Err(wrong(text)),
        };
        match kind {
            _ if rest.trim().is_empty() => Err(wrong(text)),
            "command" => Ok(MeterChoice { scope, from: From::Command(rest.into()) }),
            "file" => Ok(MeterChoice { scope, from: From::File(rest.into()) }),
            _ => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!(
        "'{text}' names no meter: say what it measures (board or wall), where its lines come from (command or file), and which, such \
         as board:file:riser.csv or 'wall:command:./plug.sh'"
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
        for text in ["", "wall", "wall:command", "wall:command:", "board:file: ", "rack:file:a", "wall:serial:/dev/x"] {
            assert!(text.parse::<MeterChoice>().unwrap_err().contains("wall:command:./plug.sh"), "{text}");
        }
    }
}
