use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn the_limits_leave_room_for_others() {
    let limits = ConnectionLimits::default();
    assert!(limits.unproven_per_network_max * 2 <= limits.unproven_max);
    assert!(limits.unproven_max * 2 <= limits.open_max);
    assert!(limits.handshake_ms_max < limits.unproven_idle_ms_max);
    assert!(limits.unproven_idle_ms_max < limits.idle_ms_max);
}

/// Connections beyond an address's share are closed at once, silent ones after a while.
#[tokio::test]
async fn silent_connections_end() {
    use tokio::io::AsyncReadExt;

    let limits = ConnectionLimits {
        unproven_per_network_max: 1,
        handshake_ms_max: 300,
        ..ConnectionLimits::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let key = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(crate::tls::crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls_pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let service_for = {
        let served = Arc::clone(&served);
        move |_: SocketAddr, _: Standing, _: Option<Arc<PeerChain>>| {
            served.fetch_add(1, Ordering::Relaxed);
            hyper::service::service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty())))
        }
    };
    let pending = std::future::pending::<()>();
    tokio::spawn(async move {
        let limits = (limits, &RequestLimits::default());
        let listener: Box<dyn Listening> = Box::new(listener);
        serve(listener, Arc::new(config), limits, Duration::ZERO, pending, service_for).await;
    });
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    let began = tokio::time::Instant::now();
    let closed = second.read(&mut [0; 1]).await;
    assert!(!matches!(closed, Ok(1..)), "one too many");
    assert!(began.elapsed() < ms(limits.handshake_ms_max));
    let closed = first.read(&mut [0; 1]).await;
    assert!(!matches!(closed, Ok(1..)), "it says nothing");
    assert_eq!(served.load(Ordering::Relaxed), 0);
}
