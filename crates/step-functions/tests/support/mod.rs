//! A server in a process of its own, and a local AWS that answers as a test says.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// A Pass state that ends.
pub fn pass() -> Value {
    json!({"Type": "Pass", "End": true})
}

/// A Wait state that ends.
pub fn wait(seconds: u32) -> Value {
    json!({"Type": "Wait", "Seconds": seconds, "End": true})
}

/// A Task.
pub fn task(resource: &str, arguments: &Value, others: &Value) -> Value {
    let mut task = json!({"Type": "Task", "Resource": resource, "Arguments": arguments});
    task.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    task
}

/// The server, and the local AWS that it calls.
pub struct Server {
    pub aws: LocalAws,
    child: Child,
    address: String,
    folder: TempDir,
    made: std::cell::Cell<u32>,
}

impl Server {
    pub fn start() -> Self {
        let aws = LocalAws::start();
        let folder = tempfile::tempdir().unwrap();
        let (child, address) = spawn(folder.path(), &aws.address);
        Self { aws, child, address, folder, made: std::cell::Cell::new(0) }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn start_again(&mut self) {
        (self.child, self.address) = spawn(self.folder.path(), &self.aws.address);
    }

    /// One operation: its answer, or the error's name and message.
    pub fn call(&self, operation: &str, request: &Value) -> Result<Value, (String, String)> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into();
        let mut response = agent
            .post(&self.address)
            .header("X-Amz-Target", format!("AWSStepFunctions.{operation}"))
            .header("Content-Type", "application/x-amz-json-1.0")
            .header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/states/aws4_request, Signature=0")
            .send(request.to_string())
            .unwrap();
        let body: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
        if response.status().is_success() {
            return Ok(body);
        }
        Err((body["__type"].as_str().unwrap().to_owned(), body["message"].as_str().unwrap().to_owned()))
    }

    #[track_caller]
    pub fn ok(&self, operation: &str, request: &Value) -> Value {
        self.call(operation, request).unwrap_or_else(|(name, message)| panic!("{operation}: {name}: {message}"))
    }

    /// Makes a JSONata state machine of the states, of which the first one starts; gives its ARN.
    #[track_caller]
    pub fn machine(&self, states: &Value) -> String {
        self.made.set(self.made.get() + 1);
        let first = states.as_object().unwrap().keys().next().unwrap();
        let definition = json!({"QueryLanguage": "JSONata", "StartAt": first, "States": states}).to_string();
        let request = json!({"name": format!("machine-{}", self.made.get()), "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/any"});
        let arn = self.ok("CreateStateMachine", &request)["stateMachineArn"].as_str().unwrap().to_owned();
        assert!(arn.starts_with("arn:aws:states:eu-central-1:000000000000:stateMachine:"), "{arn}");
        arn
    }

    /// Starts an execution; gives its ARN.
    #[track_caller]
    pub fn begin(&self, machine: &str, input: &Value) -> String {
        let request = json!({"stateMachineArn": machine, "input": input.to_string()});
        self.ok("StartExecution", &request)["executionArn"].as_str().unwrap().to_owned()
    }

    /// How an execution ended, once it has.
    #[track_caller]
    pub fn ended(&self, execution: &str) -> Value {
        let describe = || self.ok("DescribeExecution", &json!({"executionArn": execution}));
        until(|| describe()["status"] != "RUNNING");
        describe()
    }

    #[track_caller]
    pub fn run(&self, machine: &str, input: &Value) -> Value {
        self.ended(&self.begin(machine, input))
    }

    pub fn history(&self, execution: &str) -> Vec<Value> {
        self.ok("GetExecutionHistory", &json!({"executionArn": execution, "maxResults": 1000}))["events"].as_array().unwrap().clone()
    }

    pub fn kinds(&self, execution: &str) -> Vec<String> {
        self.history(execution).iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Waits until something holds.
#[track_caller]
pub fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not so after {} s", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, aws: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_step-functions"))
        .args(["--aws", aws, "--data"])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Step Functions at ").unwrap_or_else(|| panic!("it said {line:?}")).to_owned();
    (child, address)
}

type Answer = Result<Value, (&'static str, &'static str)>;
type Behaviour = Arc<dyn Fn(&Value) -> Answer + Send + Sync>;

/// The local AWS: what each action answers, and what was called.
pub struct LocalAws {
    address: String,
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    behaviours: HashMap<(String, String), Behaviour>,
    calls: Vec<String>,
    changes: Vec<String>,
}

impl LocalAws {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World::default()));
        let shared = Arc::clone(&world);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let world = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &world));
            }
        });
        Self { address, world }
    }

    /// What an action answers from now on: a result, or an error and its cause.
    pub fn on(&self, service: &str, action: &str, behaviour: impl Fn(&Value) -> Answer + Send + Sync + 'static) {
        self.world.lock().unwrap().behaviours.insert((service.to_owned(), action.to_owned()), Arc::new(behaviour));
    }

    /// How often an action was called.
    pub fn count(&self, action: &str) -> usize {
        self.world.lock().unwrap().calls.iter().filter(|called| *called == action).count()
    }

    /// The status changes that were announced.
    pub fn changes(&self) -> Vec<String> {
        self.world.lock().unwrap().changes.clone()
    }
}

fn answer(mut stream: TcpStream, world: &Mutex<World>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or_default() == 0 {
            return;
        }
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let answer = if head.starts_with("POST /_local/call ") { called(&request, world) } else { changed(&request, world) }.to_string();
    let mut response = String::new();
    write!(response, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
    // A server that was killed meanwhile reads no answer.
    let _ = stream.write_all(response.as_bytes());
}

fn called(request: &Value, world: &Mutex<World>) -> Value {
    let text = |name: &str| request[name].as_str().unwrap().to_owned();
    let behaviour = {
        let mut world = world.lock().unwrap();
        world.calls.push(text("action"));
        world.behaviours.get(&(text("service"), text("action"))).cloned()
    };
    match behaviour.map(|behaviour| behaviour(&request["parameters"])) {
        Some(Ok(result)) => json!({"result": result}),
        Some(Err((error, cause))) => json!({"error": error, "cause": cause}),
        None => json!({"error": "States.Runtime", "cause": format!("the test expects no {}:{}", text("service"), text("action"))}),
    }
}

fn changed(request: &Value, world: &Mutex<World>) -> Value {
    world.lock().unwrap().changes.push(request["detail"]["status"].as_str().unwrap().to_owned());
    json!({})
}
