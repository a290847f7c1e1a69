//! Refusals as SOAP faults, for callers that speak SOAP.
//!
//! The bodies are what Choreo Connect's enforcer writes, by the reference implementation of SAAJ.

use super::Answer;

/// A version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SOAP 1.1.
    Soap11,
    /// SOAP 1.2.
    Soap12,
}

impl Fault {
    /// What a request with this `content-type`, with or without a `soapaction`, is told errors in. Texts are compared as they
    /// are: one with a `charset` behind is neither.
    pub fn wanted(content_type: &[u8], has_soap_action: bool) -> Option<Self> {
        [Self::Soap11, Self::Soap12]
            .into_iter()
            .find(|fault| fault.content_type().as_bytes() == content_type)
            .filter(|fault| has_soap_action || *fault == Self::Soap12)
    }

    /// The `content-type` of the fault itself.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Soap11 => "text/xml",
            Self::Soap12 => "application/soap+xml",
        }
    }

    /// The body for an answer. No XML declaration and no newline at its end. None of the texts needs escapes.
    pub fn body(self, answer: Answer) -> String {
        let text = answer.text();
        let (message, code, description) = (text.message, text.code, text.description);
        match self {
            Self::Soap11 => format!(
                r#"<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header/><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>Server</faultcode><faultstring>{message}</faultstring><detail>{code}:{description}</detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"#
            ),
            Self::Soap12 => format!(
                r#"<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Header/><env:Body><env:Fault><env:Code><env:Value>env:Receiver</env:Value></env:Code><env:Reason><env:Text xml:lang="en-US">{message}</env:Text></env:Reason><env:Detail>{code}:{description}</env:Detail></env:Fault></env:Body></env:Envelope>"#
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOAP11: &str = r#"<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Header/><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>Server</faultcode><faultstring>Invalid Credentials</faultstring><detail>900901:Make sure you have provided the correct security credentials</detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"#;
    const SOAP12: &str = r#"<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Header/><env:Body><env:Fault><env:Code><env:Value>env:Receiver</env:Value></env:Code><env:Reason><env:Text xml:lang="en-US">Invalid Credentials</env:Text></env:Reason><env:Detail>900901:Invalid JWT token. Make sure you have provided the correct security credentials</env:Detail></env:Fault></env:Body></env:Envelope>"#;

    #[test]
    fn faults_are_those_of_the_original() {
        assert_eq!(Fault::Soap11.body(Answer::NoCredential), SOAP11);
        assert_eq!(Fault::Soap12.body(Answer::InvalidJwt), SOAP12);
    }

    #[test]
    fn content_type_and_action_decide() {
        for (content_type, action, fault) in [
            ("text/xml", true, Some(Fault::Soap11)),
            ("text/xml", false, None),
            ("application/soap+xml", false, Some(Fault::Soap12)),
            ("application/soap+xml", true, Some(Fault::Soap12)),
            ("text/xml; charset=utf-8", true, None),
            ("application/soap+xml;charset=utf-8", true, None),
            ("Text/XML", true, None),
            ("application/xml", true, None),
            ("application/json", true, None),
            ("", true, None),
        ] {
            let found = Fault::wanted(content_type.as_bytes(), action);
            assert_eq!(found, fault, "{content_type}");
        }
    }

    #[test]
    fn every_answer_has_a_fault_with_its_texts() {
        for answer in [
            Answer::InvalidJwt,
            Answer::InvalidCredentials,
            Answer::NoCredential,
            Answer::Unclassified,
            Answer::UndecodableJwt,
            Answer::ApiKeyFailed,
            Answer::InternalKeyFailed,
            Answer::NotReady,
            Answer::Stale,
            Answer::StaleUnauthorized,
            Answer::NextSilent,
        ] {
            let text = answer.text();
            assert!(!text.description.contains(['<', '>', '&', '"', '\\']));
            for fault in [Fault::Soap11, Fault::Soap12] {
                let body = fault.body(answer);
                assert!(body.contains(text.message), "{body}");
                assert!(body.contains(&format!(">{}:{}<", text.code, text.description)));
            }
        }
    }
}
