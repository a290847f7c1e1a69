//! The private broker. It needs what `rescind-stack provision` installs.

use std::time::Duration;

use rescind_stack::{Part, Stack};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a broker answers to the protocol header.
async fn greeting(port: u16) -> std::io::Result<[u8; 11]> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut start = [0; 11];
    socket.read_exact(&mut start).await?;
    Ok(start)
}

#[tokio::test]
async fn it_answers_survives_a_crash_and_leaves_nothing() {
    let state = tempfile::tempdir().unwrap();
    let stack = Stack::builder()
        .state(state.path())
        .free_ports()
        .only(&[Part::Epmd, Part::Broker])
        .vhosts(2)
        .broker_tls()
        .start()
        .await
        .unwrap();
    let port = stack.ports().broker;
    assert_eq!(&greeting(port).await.unwrap()[7..], [0, 10, 0, 10]);
    assert!(
        stack
            .hub_of_vhost(1)
            .ends_with(&format!("127.0.0.1:{port}/world-1"))
    );
    assert!(
        TcpStream::connect(("127.0.0.1", stack.ports().broker_tls))
            .await
            .is_ok()
    );

    let broker = stack.part(Part::Broker);
    broker.crash().await;
    broker.ready_within(Duration::from_secs(90)).await.unwrap();
    greeting(port).await.unwrap();

    let processes: Vec<_> = stack.parts().filter_map(|part| part.process()).collect();
    assert_eq!(processes.len(), 2);
    stack.stop().await;
    assert!(processes.iter().all(|process| !process.is_alive()));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
