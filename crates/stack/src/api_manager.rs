//! A real API Manager in the stand-in's place.

use std::{
    fmt, fs,
    net::ToSocketAddrs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use reqwest::Url;

use crate::{certs::Certs, files, http};

/// How to reach it, and what is known of it.
#[derive(Clone)]
pub(crate) struct ApiManager {
    /// `https://host:9443`, without a slash at its end.
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password_file: PathBuf,
    /// Whom to trust for it.
    pub(crate) ca: PathBuf,
    /// The name in its certificate, where it is not the host of the URL.
    pub(crate) server_name: Option<String>,
    /// What its tokens carry as `iss`.
    pub(crate) issuer: String,
    /// The certificate that its API keys are signed with. Without it they are not verified, so not taken.
    pub(crate) api_key_cert: Option<PathBuf>,
    /// An application in it, for the walk-through and the demo.
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) application_id: String,
}

/// The roots of Debian and its like.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

impl ApiManager {
    /// Reads the `APIM…` variables; `url` is the first of them.
    pub(crate) fn from_variables(
        url: String,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        if !Url::parse(&url)
            .is_ok_and(|url| url.scheme() == "https" && url.has_host() && url.path() == "/")
        {
            bail!("APIM: expected https://host:port, found {url:?}");
        }
        let missing = |name: &str| format!("APIM is set, so {name} must be too");
        let file = |name: &str| {
            variable(name)
                .map(|path| {
                    fs::canonicalize(&path).with_context(|| format!("{name}: cannot find {path}"))
                })
                .transpose()
        };
        let api_manager = Self {
            user: variable("APIM_USER").with_context(|| missing("APIM_USER"))?,
            password_file: file("APIM_PASSWORD_FILE")?
                .with_context(|| missing("APIM_PASSWORD_FILE"))?,
            ca: file("APIM_CA")?.unwrap_or_else(|| SYSTEM_ROOTS.into()),
            server_name: variable("APIM_SERVER_NAME"),
            issuer: variable("APIM_ISSUER").unwrap_or_else(|| format!("{url}/oauth2/token")),
            api_key_cert: file("APIM_API_KEY_CERT")?,
            client_id: variable("APIM_CLIENT_ID").unwrap_or_default(),
            client_secret: variable("APIM_CLIENT_SECRET").unwrap_or_default(),
            application_id: variable("APIM_APPLICATION_ID").unwrap_or_default(),
            url,
        };
        api_manager.password()?;
        Ok(api_manager)
    }

    /// The password, as the file has it now.
    pub(crate) fn password(&self) -> Result<String> {
        let text = fs::read_to_string(&self.password_file).with_context(|| {
            format!(
                "APIM_PASSWORD_FILE: cannot read {}",
                self.password_file.display()
            )
        })?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// A trust folder for the enforcer, which has one for all its peers: our CA, and whom to trust for the keys.
    pub(crate) fn trust(&self, folder: &Path, certs: &Certs) -> Result<()> {
        files::private_folder(folder)?;
        for (name, from) in [("ca.pem", &certs.ca()), ("apim.pem", &self.ca)] {
            let pem = fs::read_to_string(from)
                .with_context(|| format!("cannot read {}", from.display()))?;
            files::replace(&folder.join(name), &pem)?;
        }
        Ok(())
    }

    /// The URL of its keys. The enforcer verifies the host's name; where the certificate has another one, the keys are
    /// fetched here, into `file`, and are not renewed while the stack runs.
    pub(crate) async fn jwks_url(&self, file: &Path) -> Result<String> {
        let url = format!("{}/oauth2/jwks", self.url);
        let Some(server_name) = &self.server_name else {
            return Ok(url);
        };
        let keys = self
            .fetch_as(server_name, &url)
            .await
            .context("cannot fetch the keys of the API Manager")?;
        files::replace(file, &keys)?;
        Ok(format!("file://{}", file.display()))
    }

    async fn fetch_as(&self, server_name: &str, url: &str) -> Result<String> {
        let mut url = Url::parse(url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let address = (host.as_str(), 0)
            .to_socket_addrs()
            .ok()
            .and_then(|mut addresses| addresses.next())
            .with_context(|| format!("cannot resolve {host}"))?;
        url.set_host(Some(server_name))?;
        let client = http::client_to(&self.ca, server_name, address)?;
        Ok(client
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?)
    }
}

impl fmt::Debug for ApiManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiManager")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ApiManager> {
        let found = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ApiManager::from_variables(found("APIM").unwrap(), found)
    }

    #[test]
    fn a_user_and_a_password_file_are_needed() {
        let error = read(&[("APIM", "https://apim:9443")]).unwrap_err();
        assert_eq!(error.to_string(), "APIM is set, so APIM_USER must be too");
        let error = read(&[
            ("APIM", "https://apim:9443"),
            ("APIM_USER", "a"),
            ("APIM_PASSWORD_FILE", "/no/such"),
        ]);
        assert!(
            error
                .unwrap_err()
                .to_string()
                .starts_with("APIM_PASSWORD_FILE: cannot find /no/such")
        );
    }

    #[test]
    fn anything_but_an_https_address_is_refused() {
        for url in [
            "apim:9443",
            "http://apim:9443",
            "https://",
            "https://apim/carbon",
        ] {
            let error = read(&[("APIM", url)]).unwrap_err().to_string();
            assert!(
                error.starts_with("APIM: expected https://"),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn the_rest_has_defaults() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "pass word\n").unwrap();
        let path = file.path().to_str().unwrap();
        let variables = [
            ("APIM", "https://apim:9443/"),
            ("APIM_USER", "admin"),
            ("APIM_PASSWORD_FILE", path),
        ];
        let api_manager = read(&variables).unwrap();
        assert_eq!(api_manager.url, "https://apim:9443");
        assert_eq!(api_manager.issuer, "https://apim:9443/oauth2/token");
        assert_eq!(api_manager.password().unwrap(), "pass word");
        assert!(!format!("{api_manager:?}").contains("pass"));
    }
}
