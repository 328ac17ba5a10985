//! Writes the status page after every kind of night and of a dataset's builds as `<state>.json`, with status, headers and body as a web server would answer it, into
//! the folder that is named. Each is what the function leaves in its bucket after a month of nights that it was told of.

#![expect(clippy::unwrap_used, reason = "what can't be brought about or written ends it")]

mod builds;
mod courses;

use std::path::Path;

use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args().nth(1).expect("a folder is named");
    for (name, body) in courses::all().await {
        let headers = json!({"content-type": "text/html; charset=utf-8"});
        let state = json!({"status": 200, "headers": headers, "body": body});
        std::fs::write(Path::new(&folder).join(format!("{name}.json")), state.to_string()).unwrap();
    }
}
