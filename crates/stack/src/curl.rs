//! One request as a person types it: shown as a line for the shell, or run.

use std::{fmt, process::Stdio};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::provision;

/// A `curl` command, but for the flags that say how much it shows.
#[derive(Debug, Clone)]
pub(crate) struct Curl {
    arguments: Vec<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As they came.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

impl Curl {
    pub(crate) fn new<const N: usize>(arguments: [&str; N]) -> Self {
        Self {
            arguments: arguments.map(str::to_owned).to_vec(),
        }
    }

    /// The line for a person, who wants to see the headers.
    pub(crate) fn typed(&self) -> String {
        format!("curl -k -v {self}")
    }

    /// The line that [`Curl::run`] runs.
    pub(crate) fn as_run(&self) -> String {
        format!("curl {} {self}", FLAGS.join(" "))
    }

    pub(crate) async fn run(&self) -> Result<Answer> {
        let program =
            provision::on_path("curl").context("curl is missing; install the package curl")?;
        let output = Command::new(program)
            .args(FLAGS)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot start curl")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        parse(&String::from_utf8_lossy(&output.stdout))
            .context("curl gave something that is not an HTTP answer")
    }
}

const FLAGS: [&str; 5] = ["-k", "-sS", "-i", "-m", "10"];

impl Answer {
    /// A header's value; of one that came more than once the first.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl fmt::Display for Curl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.arguments.iter().map(|word| shown(word)).collect();
        f.write_str(&words.join(" "))
    }
}

/// As a person would type it: quoted only where a shell needs it.
fn shown(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    // "100 Continue" and its like come before the answer.
    if (100..200).contains(&status) {
        return parse(body);
    }
    Some(Answer {
        status,
        head: head.split("\r\n").map(str::to_owned).collect(),
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_one_that_a_shell_takes() {
        let curl = Curl::new(["-d", r#"{"apikey":"it's"}"#, "https://localhost:9443/x"]);
        let line = curl.typed();
        assert_eq!(
            line,
            r#"curl -k -v -d '{"apikey":"it'\''s"}' https://localhost:9443/x"#
        );
        let echoed = std::process::Command::new("/bin/sh")
            .args(["-c", &line.replacen("curl", "printf '%s|'", 1)])
            .output()
            .unwrap();
        let expected = r#"-k|-v|-d|{"apikey":"it's"}|https://localhost:9443/x|"#;
        assert_eq!(String::from_utf8(echoed.stdout).unwrap(), expected);
    }

    #[test]
    fn an_answer_is_status_head_and_body() {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 Unauthorized\r\nContent-Type: a/b\r\n\r\n{}";
        let answer = parse(text).unwrap();
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("content-type"), Some("a/b"));
        assert_eq!(answer.header("date"), None);
        assert_eq!(answer.body, "{}");
        assert_eq!(parse("nonsense"), None);
    }
}
