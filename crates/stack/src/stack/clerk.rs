//! Hears what happens to the parts, and passes it on: to the log of the supervision, to a terminal, to `env`.

use std::{io::Write, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::announce::Announcer;
use crate::{files, keeper::Notice, logs::Terminal};

pub(super) async fn listen(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    announcer: Arc<Announcer>,
    log: PathBuf,
    terminal: Option<Terminal>,
) {
    while let Some(notice) = notices.recv().await {
        if matches!(notice, Notice::Started(_)) {
            announcer.renew();
        }
        let Some(text) = told(&notice) else { continue };
        if let Ok(mut log) = files::append(&log) {
            let _ = writeln!(log, "{text}");
        }
        if let Some(terminal) = terminal {
            terminal.say(&text);
        }
    }
}

fn told(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Started(_) => None,
        Notice::Ready(part, took) => Some(format!("{part:<8} is ready after {}", seconds(*took))),
        Notice::Died { part, how, rest } => Some(format!(
            "{part} {how}; it is started again in {}",
            seconds(*rest)
        )),
        Notice::Killed(part) => Some(format!("{part} did not end when asked, and was killed")),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::Part;

    #[test]
    fn a_death_is_told_with_its_cause_and_what_follows() {
        let notice = Notice::Died {
            part: Part::Adapter,
            how: "was ended by SIGKILL".to_owned(),
            rest: Duration::from_millis(500),
        };
        let text = "adapter was ended by SIGKILL; it is started again in 0.5 s";
        assert_eq!(told(&notice).as_deref(), Some(text));
    }
}
