//! Free loopback ports.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// What was handed out in this process: two planes that start at once must not meet.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// `N` ports that nobody listens on, and that are not handed out twice.
pub(crate) fn free<const N: usize>() -> io::Result<[u16; N]> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = [0; N];
    // All are held until the last is found, so that the kernel gives different ones.
    let mut held = Vec::new();
    for port in &mut ports {
        *port = loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let number = listener.local_addr()?.port();
            held.push(listener);
            if taken.insert(number) {
                break number;
            }
        };
    }
    Ok(ports)
}
