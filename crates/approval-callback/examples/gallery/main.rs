//! Writes every state of the page as `<state>.json`, with the answer's status, headers and body, into the folder that is named. A browser is
//! shown them as the function answers them.

#![expect(clippy::unwrap_used, reason = "what can't be brought about or written ends it")]

mod states;

use std::path::Path;

use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = std::env::args().nth(1).expect("a folder is named");
    for (name, response) in states::all().await {
        let headers: serde_json::Map<_, _> =
            response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
        let body = String::from_utf8(response.body().as_ref().to_vec()).unwrap();
        let state = json!({"status": response.status().as_u16(), "headers": headers, "body": body});
        std::fs::write(Path::new(&folder).join(format!("{name}.json")), state.to_string()).unwrap();
    }
}
