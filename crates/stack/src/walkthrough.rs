//! The two documented procedures as text, with the URLs and tokens of this stack filled in.

use anyhow::{Context, Result};

use crate::{
    curl::Curl,
    procedure::{Procedure, field},
};

/// Gets fresh credentials and writes the procedures down with them.
pub(crate) async fn write(procedure: &Procedure) -> Result<String> {
    let token = credential(&procedure.token(), "access_token").await?;
    let devportal = credential(&procedure.devportal_token(), "access_token").await?;
    let key = credential(&procedure.generate_key(&devportal), "apikey").await?;
    Ok(text(procedure, &token, &devportal, &key))
}

async fn credential(curl: &Curl, name: &str) -> Result<String> {
    let answer = curl
        .run()
        .await
        .context("the control plane does not answer")?;
    field(&answer, name).with_context(|| format!("the control plane answers {}", answer.status))
}

fn text(procedure: &Procedure, token: &str, devportal: &str, key: &str) -> String {
    let adapter_log = procedure.var("ADAPTER_LOG");
    let [invoke, revoke, again] = [
        procedure.invoke(token).typed(),
        procedure.revoke(token).typed(),
        procedure.token().typed(),
    ];
    let [invoke_key, revoke_key] = [
        procedure.invoke_with_key(key).typed(),
        procedure.revoke_key(devportal, key).typed(),
    ];
    let [new_devportal, new_key] = [
        procedure.devportal_token().typed(),
        procedure.generate_key(devportal).typed(),
    ];
    format!(
        r#"
REVOKING AN ACCESS TOKEN

1. Invoke the API with this access token: 200.

{invoke}

2. Revoke it at the control plane: 200 and an empty body.

{revoke}

   The adapter's log ({adapter_log})
   then has the two lines
     Event JWT is received []
     New Revoked token cache update for the label: commonEnforcerLabel version: N []

3. Invoke the API as in 1. once more: 401 and
   {{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid JWT token. Make sure you have provided the correct security credentials"}}

   Another access token:

{again}

REVOKING AN API KEY

1. Invoke the API with this API key: 200.

{invoke_key}

2. Revoke it: 200 and an empty body. The bearer token here has the scope apim:api_key.

{revoke_key}

3. Invoke the API as in 1. once more: 401 and
   {{"error_message":"Invalid Credentials","code":"900901","error_description":"Invalid Credentials. Make sure you have provided the correct security credentials"}}

   Another bearer token for the DevPortal, and another API key:

{new_devportal}

{new_key}

"#
    )
}
