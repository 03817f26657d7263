//! Free loopback ports.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// The ports that this process has used: two control planes that start at the same time must get different ones.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// `N` unused ports, each of which is returned only once.
pub(crate) fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = [0; N];
    // All listeners stay open until the last port is found, so that the kernel assigns different ones.
    let mut listeners = Vec::new();
    for port in &mut ports {
        *port = loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let number = listener.local_addr()?.port();
            listeners.push(listener);
            if taken.insert(number) {
                break number;
            }
        };
    }
    Ok(ports)
}
