//! "Revoking an Access Token".

use std::path::Path;

use anyhow::Result;

use super::play::{LogTail, Play};
use crate::{
    curl::Answer,
    procedure::{Procedure, field},
};

/// What the document has for step 4, to the byte.
const REFUSAL: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid JWT token. Make sure you have provided the correct security credentials"}"#;

/// The headers of every answer to a revocation.
const ALWAYS: [(&str, &str); 8] = [
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Cache-Control", "no-store"),
    ("Pragma", "no-cache"),
    ("Content-Type", "text/html"),
    ("Content-Length", "0"),
    ("Server", "WSO2 Carbon Server"),
];
/// Those that only a revocation that has revoked something has.
const REVOKED: [&str; 3] = [
    "RevokedAccessToken",
    "AuthorizedUser",
    "RevokedRefreshToken",
];

pub(super) async fn play(play: &mut Play, procedure: &Procedure) -> Result<()> {
    play.chapter("Revoking an access token");

    play.step("Get an access token, and a second one of the same application.");
    let token = field(&play.run(&procedure.token()).await?, "access_token")?;
    let second = field(&procedure.token().run().await?, "access_token")?;
    play.check("the two tokens are different ones", token != second);

    play.step("Invoke the API with the token: it passes.");
    let answer = play.run(&procedure.invoke(&token)).await?;
    play.check_status(&answer, 200);

    play.step("Revoke the token at the control plane.");
    let log = Path::new(procedure.var("ADAPTER_LOG"));
    let log = LogTail::from_now(log)?;
    let answer = play.run(&procedure.revoke(&token)).await?;
    check_revoked(play, &answer, &token);

    play.step("The adapter hears of it.");
    play.check_log(&log, "Event JWT is received").await?;
    let update = "New Revoked token cache update for the label: commonEnforcerLabel version: ";
    play.check_log(&log, update).await?;

    play.step("Invoke the API with the revoked token: it is refused.");
    let answer = play.run_until(&procedure.invoke(&token), 401).await?;
    play.check_status(&answer, 401);
    play.check("the body is the documented one", answer.body == REFUSAL);
    play.check(
        "the refusal does not name the token",
        !named(&answer, &token),
    );

    play.step("The second token of the same application still passes.");
    let answer = play.run(&procedure.invoke(&second)).await?;
    play.check_status(&answer, 200);

    play.step("Revoke something that is not a token: also 200, but without what names one.");
    let answer = play.run(&procedure.revoke("not-a-token")).await?;
    play.check_status(&answer, 200);
    let names_one = REVOKED.iter().any(|name| answer.header(name).is_some());
    play.check(
        "there is no RevokedAccessToken, AuthorizedUser or RevokedRefreshToken",
        !names_one,
    );
    Ok(())
}

fn check_revoked(play: &mut Play, answer: &Answer, token: &str) {
    play.check_status(answer, 200);
    play.check("the body is empty", answer.body.is_empty());
    for (name, value) in ALWAYS {
        play.check(
            &format!("{name}: {value}"),
            answer.header(name) == Some(value),
        );
    }
    play.check("there is a Date", answer.header("Date").is_some());
    let echoed = answer.header("RevokedAccessToken") == Some(token);
    play.check("RevokedAccessToken is the token", echoed);
    for name in &REVOKED[1..] {
        play.check(
            &format!("there is {name}"),
            answer.header(name).is_some_and(|value| !value.is_empty()),
        );
    }
}

fn named(answer: &Answer, token: &str) -> bool {
    answer.body.contains(token) || answer.head.iter().any(|line| line.contains(token))
}
