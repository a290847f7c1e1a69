//! Envoy with an enforcer of one's choice, the API behind it, and both ends of what it passes on, in bytes.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::eventually::eventually;

/// An API that remembers, to the byte, what reached it.
pub(crate) struct Api {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    _serving: JoinHandle<()>,
}

/// Envoy in front of an API, and its process.
pub(crate) struct Gate {
    plain: u16,
    _envoy: Child,
}

/// A request as it goes over the wire, but for what is the same for all.
#[derive(Debug, Clone)]
pub(crate) struct Wire<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: String,
}

impl Api {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = seen.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (mut tcp, _) = listener.accept().await.unwrap();
                let all = all.clone();
                tokio::spawn(async move {
                    let Some(request) = read(&mut tcp).await else {
                        return;
                    };
                    all.lock().unwrap().push(request);
                    let answer = "HTTP/1.1 200 OK\r\nx-api: yes\r\nx-same: api\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
                    let _ = tcp.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self {
            port,
            seen,
            _serving: serving,
        }
    }

    /// What reached it since the last time, but for what differs from one request to the next.
    pub(crate) fn take(&self) -> Vec<String> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        seen.iter().map(|request| settled(request)).collect()
    }
}

impl Gate {
    /// `bootstrap` is the stack's own; `enforcer` the port of whom this one asks.
    pub(crate) async fn start(
        binary: &Path,
        folder: &Path,
        bootstrap: &str,
        ports: &Ports,
        enforcer: u16,
    ) -> Self {
        let mut text = bootstrap.to_owned();
        // It takes free ones itself: one that is found for it could go to an outgoing connection before it is bound.
        for port in [ports.admin, ports.tls, ports.plain, ports.h2] {
            text = replaced(&text, port, 0);
        }
        text = replaced(&text, ports.ext_authz, enforcer);
        text = replaced(&text, ports.upstream, ports.api);
        // Credentials stay where they are, bodies are shown, metadata can be seen, and a route can be chosen.
        for (from, to) in [
            ("- remove: apikey", "- remove: x-nothing"),
            ("- remove: internal-key", "- remove: x-nothing-else"),
            (
                "              include_peer_certificate: true\n",
                "              include_peer_certificate: true\n              with_request_body: { max_request_bytes: 102400, allow_partial_message: false }\n",
            ),
            (
                "              routes:\n",
                "              response_headers_to_add:\n              - header: { key: x-their-metadata, value: \"%DYNAMIC_METADATA(envoy.filters.http.ext_authz:originalPath)%\" }\n              request_headers_to_add:\n              - header: { key: x-their-metadata, value: \"%DYNAMIC_METADATA(envoy.filters.http.ext_authz:originalPath)% %DYNAMIC_METADATA(envoy.filters.http.ext_authz:number)% %DYNAMIC_METADATA(envoy.filters.http.ext_authz:deep:er)%\" }\n              routes:\n              - match: { prefix: /routed }\n                route: { cluster_header: x-wso2-cluster-header }\n              - match: { prefix: /gone }\n                direct_response: { status: 410 }\n",
            ),
            (
                "                route: { cluster: upstream, timeout: 15s }\n",
                "                route: { cluster: upstream, timeout: 15s }\n                typed_per_filter_config:\n                  envoy.filters.http.ext_authz:\n                    \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute\n                    check_settings: { context_extensions: { prodClusterName: upstream, basePath: /demo } }\n",
            ),
        ] {
            assert!(text.contains(from), "the bootstrap has no {from:?}");
            text = text.replace(from, to);
        }
        Self::run(binary, folder, &format!("gate-{enforcer}"), &text).await
    }

    /// With this bootstrap, whose listener `http` takes a free port; its files have this name.
    pub(crate) async fn run(binary: &Path, folder: &Path, name: &str, bootstrap: &str) -> Self {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let config = file("yaml");
        std::fs::write(&config, bootstrap).unwrap();
        let log = std::fs::File::create(file("log")).unwrap();
        let admin = file("admin");
        let envoy = Command::new(binary)
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "-l",
                "warn",
                "-c",
            ])
            .arg(&config)
            .arg("--admin-address-path")
            .arg(&admin)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let patience = Duration::from_secs(60);
        let look = || plain_port(&admin);
        let plain = eventually(patience, look, Option::is_some).await.unwrap();
        let connect = || TcpStream::connect(("127.0.0.1", plain));
        eventually(patience, connect, Result::is_ok).await.unwrap();
        Self {
            plain,
            _envoy: envoy,
        }
    }

    /// The answer to a request, but for what differs from one to the next.
    pub(crate) async fn ask(&self, request: &Wire<'_>) -> String {
        settled(&self.ask_raw(request).await)
    }

    async fn ask_raw(&self, request: &Wire<'_>) -> String {
        let Wire {
            method,
            target,
            headers,
            body,
        } = request;
        let mut text = format!(
            "{method} {target} HTTP/1.1\r\nhost: api.test\r\nx-request-id: 5f6e1c1e-0000-4000-8000-000000000007\r\nconnection: close\r\n"
        );
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        if !body.is_empty() {
            write!(text, "content-length: {}\r\n", body.len()).unwrap();
        }
        text.push_str("\r\n");
        text.push_str(body);
        let mut tcp = TcpStream::connect(("127.0.0.1", self.plain)).await.unwrap();
        tcp.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let reading = tcp.read_to_end(&mut answer);
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, reading).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The ports of the stack's own bootstrap, and that of the API behind a [`Gate`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) admin: u16,
    pub(crate) tls: u16,
    pub(crate) plain: u16,
    pub(crate) h2: u16,
    pub(crate) ext_authz: u16,
    pub(crate) upstream: u16,
    pub(crate) api: u16,
}

/// The program that a process runs.
pub(crate) fn program_of(pid: i32) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/exe")).unwrap()
}

fn replaced(text: &str, from: u16, to: u16) -> String {
    let (from, to) = (format!("port_value: {from} "), format!("port_value: {to} "));
    assert!(text.contains(&from), "the bootstrap has no {from}");
    text.replace(&from, &to)
}

/// The port that Envoy has taken for the listener `http`, once it says where its admin pages are and has bound it.
async fn plain_port(admin: &Path) -> Option<u16> {
    let admin: SocketAddr = std::fs::read_to_string(admin).ok()?.trim().parse().ok()?;
    let page = reqwest::get(format!("http://{admin}/listeners?format=json")).await;
    let page: serde_json::Value = page.ok()?.json().await.ok()?;
    let all = page["listener_statuses"].as_array()?;
    let http = all.iter().find(|listener| listener["name"] == "http")?;
    let port = http["local_address"]["socket_address"]["port_value"].as_u64()?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// A message to its end: by its length, its chunks, or where it has neither, its head.
async fn read(tcp: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse::<usize>().unwrap())
            });
            let done = match length {
                Some(length) => body.len() >= length,
                None => !head.contains("chunked") || body.ends_with("0\r\n\r\n"),
            };
            if done {
                return Some(text);
            }
        }
        match tcp.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

/// Without the lines that tell one time from another.
fn settled(message: &str) -> String {
    let (head, body) = message.split_once("\r\n\r\n").unwrap_or((message, ""));
    let lines = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["date", "x-envoy-upstream-service-time"].contains(&name)
    });
    let head: Vec<_> = lines.collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}
