//! An HTTP server for tests that gives prepared answers, one a connection, and keeps what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(crate) struct FakeServer {
    /// Such as `http://127.0.0.1:4567`.
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    /// Answers with these statuses and bodies, in turn. To a request beyond the last it never answers, and keeps the connection.
    pub(crate) fn answering(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            let mut unanswered = Vec::new();
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                kept.lock().unwrap().push(request(&mut connection));
                match answers.next() {
                    Some((status, body)) => {
                        let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                        connection.write_all((head + &body).as_bytes()).unwrap();
                    }
                    None => unanswered.push(connection),
                }
            }
        });
        Self { address, requests }
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn request(connection: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let read = connection.read(&mut buffer).unwrap();
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let length = |head: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            lengths.next().map_or(0, |(_, value)| value.trim().parse().unwrap())
        };
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if body.len() >= length(head) => return text,
            _ if read == 0 => return text,
            _ => {}
        }
    }
}
