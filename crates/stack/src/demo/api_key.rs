//! "Revoking an API Key".

use anyhow::Result;

use super::play::Play;
use crate::procedure::{Procedure, field};

/// A revoked key is refused with other words than a revoked token.
const REFUSAL: &str = r#"{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid Credentials. Make sure you have provided the correct security credentials"}"#;

pub(super) async fn play(play: &mut Play, procedure: &Procedure) -> Result<()> {
    play.chapter("Revoking an API key");

    play.step("Get an access token for the DevPortal, with the scope apim:api_key.");
    let devportal = field(
        &play.run(&procedure.devportal_token()).await?,
        "access_token",
    )?;

    play.step("Generate an API key.");
    let key = field(
        &play.run(&procedure.generate_key(&devportal)).await?,
        "apikey",
    )?;

    play.step("Invoke the API with the key, in a header: it passes, and the API behind does not see the key.");
    let answer = play.run(&procedure.invoke_with_key(&key)).await?;
    play.check_status(&answer, 200);
    play.check("the key is not passed on", !answer.body.contains(&key));

    play.step("The same with the key in the query.");
    let answer = play.run(&procedure.invoke_with_key_in_query(&key)).await?;
    play.check_status(&answer, 200);
    play.check("the key is not passed on", !answer.body.contains(&key));
    play.check("the rest of the query is", answer.body.contains("limit=5"));

    play.step("Revoke the key at the control plane.");
    let answer = play.run(&procedure.revoke_key(&devportal, &key)).await?;
    play.check_status(&answer, 200);
    play.check("the body is empty", answer.body.is_empty());

    play.step(
        "Invoke the API with the revoked key: it is refused, in the header and in the query.",
    );
    let answer = play
        .run_until(&procedure.invoke_with_key(&key), 401)
        .await?;
    play.check_status(&answer, 401);
    play.check("the body is the documented one", answer.body == REFUSAL);
    let answer = play.run(&procedure.invoke_with_key_in_query(&key)).await?;
    play.check_status(&answer, 401);
    play.check("the body is the documented one", answer.body == REFUSAL);
    Ok(())
}
