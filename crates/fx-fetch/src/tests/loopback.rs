//! An HTTP server on loopback that gives one listed reply a connection, byte for byte.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(super) enum Reply {
    Raw(String),
    /// The connection stays open and nothing is said, for longer than anyone waits.
    Silence,
}

impl Reply {
    pub(super) fn json(body: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    pub(super) fn status(status: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    }

    /// The head promises the whole body, half of which follows.
    pub(super) fn truncated(body: &str) -> Self {
        Self::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.len(), &body[..body.len() / 2]))
    }
}

pub(super) struct Loopback {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    server: thread::JoinHandle<()>,
}

impl Loopback {
    /// Serves the replies in turn, then stops listening.
    pub(super) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let replies: Vec<_> = replies.into_iter().collect();
        let noted = Arc::clone(&requests);
        let server = thread::spawn(move || {
            for reply in replies {
                let (connection, _) = listener.accept().unwrap();
                noted.lock().unwrap().push(first_line(&connection));
                answer(connection, reply);
            }
        });
        Self { address, requests, server }
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until every reply is given and the port is closed.
    pub(super) fn stop(self) {
        self.server.join().unwrap();
    }
}

fn first_line(connection: &TcpStream) -> String {
    let mut lines = BufReader::new(connection).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    lines.find(String::is_empty);
    first
}

fn answer(mut connection: TcpStream, reply: Reply) {
    match reply {
        // A client that has heard enough hangs up: that is its right.
        Reply::Raw(text) => drop(connection.write_all(text.as_bytes())),
        Reply::Silence => drop(thread::spawn(move || {
            thread::sleep(Duration::from_secs(3));
            drop(connection);
        })),
    }
}
