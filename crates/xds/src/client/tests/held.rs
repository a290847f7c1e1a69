//! What is applied and does not last: it is not ACKed before it does.

use super::*;

fn impatient(endpoints: &[&str]) -> ClientConfig {
    ClientConfig {
        alive: Duration::from_millis(10),
        ..config(endpoints)
    }
}

#[tokio::test]
async fn what_does_not_last_is_applied_and_acked_only_once_it_does() {
    let source = Arc::new(FakeSource::with(3));
    let server = Served::on_tcp(&source, Settings::default()).await;
    let mut client = Running::start_lasting(impatient(&[&server.address()]), false);
    client.until(|seen| seen.names.len() == 3).await;
    source.push("x");
    let seen = client.until(|seen| seen.asked >= 3).await;
    assert_eq!(
        (server.metrics.acks.get(), server.metrics.nacks.get()),
        (0, 0)
    );
    assert_eq!((seen.updates, seen.names.contains("x")), (1, false));

    client.lasts.send_replace(true);
    let seen = client.until(|seen| seen.names.contains("x")).await;
    assert_eq!(seen.links.len(), 1, "the stream stays");
    while server.metrics.acks.get() < 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn its_server_ends_the_stream_at_last_and_the_next_begins_at_what_lasts() {
    let source = Arc::new(FakeSource::with(3));
    let settings = Settings {
        ack_close: Duration::from_millis(50),
        ..Settings::default()
    };
    let server = Served::on_tcp(&source, settings).await;
    let mut client = Running::start(impatient(&[&server.address()]));
    client.until(|seen| seen.names.len() == 3).await;
    while server.metrics.acks.get() < 1 {
        tokio::task::yield_now().await;
    }
    client.lasts.send_replace(false);
    source.push("x");
    client.until(|seen| seen.names.contains("x")).await;
    let y = source.push("y");
    // What came after it comes with it again.
    let seen = client.until(|seen| seen.names.contains("y")).await;
    assert!(seen.links.iter().any(|link| disconnected(link).is_some()));
    assert_eq!(seen.walks, 1, "and nothing from before it");
    client.lasts.send_replace(true);
    while server.handle.roster().first().map(|s| s.acked) != Some(y) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_a_server_that_does_not_wait_the_newest_is_acked_and_stands_for_all() {
    let mut script = Script::start().await;
    let mut client = Running::start_lasting(impatient(&[&script.address()]), false);
    let mut stream = script.stream().await;
    stream.request().await;
    stream.send(response("1-t", "n1", &["a"])).await;
    client.until(|seen| seen.asked >= 2).await;
    stream.send(response("2-t", "n2", &["b"])).await;
    client.until(|seen| seen.names.contains("b")).await;
    client.lasts.send_replace(true);
    let ack = stream.request().await;
    assert_eq!(
        (&*ack.version_info, &*ack.response_nonce, ack.error_detail),
        ("2-t", "n2", None)
    );
    stream.send(response("3-t", "n3", &["c"])).await;
    assert_eq!(stream.request().await.response_nonce, "n3");
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused_also_while_something_is_held() {
    let mut script = Script::start().await;
    let mut client = Running::start_lasting(impatient(&[&script.address()]), false);
    let mut stream = script.stream().await;
    stream.request().await;
    stream.send(response("1-t", "n1", &["a"])).await;
    client.until(|seen| seen.asked >= 1).await;
    stream.send(response("2-t", "n2", &["bad"])).await;
    let nack = stream.request().await;
    assert_eq!((&*nack.version_info, &*nack.response_nonce), ("", "n2"));
    client.lasts.send_replace(true);
    assert_eq!(stream.request().await.response_nonce, "n1");
}

/// Its own work never ends.
struct Busy {
    updates: watch::Sender<(usize, usize)>,
}

impl Sink for Busy {
    fn version(&self) -> String {
        String::new()
    }

    fn apply(&mut self, _: Update) -> Result<Outcome, Rejection> {
        self.updates.send_modify(|(updates, _)| *updates += 1);
        Ok(Outcome::Applied(Answer::default()))
    }

    fn work(&mut self) -> bool {
        self.updates.send_modify(|(_, steps)| *steps += 1);
        true
    }

    fn link(&mut self, _: LinkState) {}
}

#[tokio::test]
async fn its_own_work_goes_on_between_responses_and_delays_none() {
    let source = Arc::new(FakeSource::with(1));
    let server = Served::on_tcp(&source, Settings::default()).await;
    let (updates, mut seen) = watch::channel((0, 0));
    let cancel = CancellationToken::new();
    let task = run(
        config(&[&server.address()]),
        Busy { updates },
        cancel.clone(),
    );
    let task = tokio::spawn(task);
    for round in 1..5 {
        let (_, before) = *seen
            .wait_for(|(updates, _)| *updates >= round)
            .await
            .expect("a client");
        seen.wait_for(|(_, steps)| *steps > before)
            .await
            .expect("a client");
        source.push(&format!("x-{round}"));
    }
    cancel.cancel();
    task.await.expect("an end");
}
