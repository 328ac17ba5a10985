//! The local AWS and the world outside it: started here, or found running.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{ACCOUNT, Client};
use crate::deploy::{Deployment, local_credentials};
use crate::environment::Environment;
use crate::paths;
use crate::process::{Server, memory};

/// Where everything listens, and where it keeps its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    folder: PathBuf,
    emulator: u16,
    spark: u16,
    outside: u16,
    /// The processes to ask for the memory that the stack holds.
    #[serde(default)]
    processes: Vec<u32>,
}

impl Addresses {
    /// Free ports, and a fresh folder.
    pub fn fresh() -> Result<Self> {
        let folder = paths::night();
        for name in ["s3", "inbox", "logs", "executions", "deployed"] {
            let path = folder.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).with_context(|| format!("cannot empty {}", path.display()))?;
            }
            fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        }
        // All three stay open until each has a port of its own.
        let listeners = [free_port()?, free_port()?, free_port()?];
        let [emulator, spark, outside] = [port(&listeners[0])?, port(&listeners[1])?, port(&listeners[2])?];
        Ok(Self { folder, emulator, spark, outside, processes: Vec::new() })
    }

    /// The stack that another `cargo xtask night` keeps running, if there is one.
    pub fn running() -> Option<Self> {
        let addresses: Self = serde_json::from_str(&fs::read_to_string(Self::file()).ok()?).ok()?;
        let up = addresses.emulator_is_up() && addresses.spark().answers("/health") && addresses.outside().answers("/faults");
        up.then_some(addresses)
    }

    /// Lets others find this stack, until the returned value goes.
    pub fn announce(&mut self, servers: &[Server]) -> Result<Announcement> {
        self.processes = servers.iter().map(Server::pid).collect();
        fs::write(Self::file(), serde_json::to_vec_pretty(self)?)?;
        Ok(Announcement)
    }

    fn file() -> PathBuf {
        paths::night().join("stack.json")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.emulator)
    }

    pub fn outside_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.outside)
    }

    pub fn client(&self) -> Client {
        Client::new(self.endpoint())
    }

    pub fn spark(&self) -> Client {
        Client::new(format!("http://127.0.0.1:{}", self.spark))
    }

    pub fn outside(&self) -> Client {
        Client::new(self.outside_url())
    }

    pub fn inbox(&self) -> PathBuf {
        self.folder.join("inbox")
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join("logs").join(name)
    }

    /// The folder that holds a bucket's objects as plain files.
    pub fn bucket(&self, bucket: &str) -> PathBuf {
        self.folder.join("s3").join(ACCOUNT).join(bucket)
    }

    /// Bytes of memory that the whole stack holds now.
    pub fn memory(&self) -> u64 {
        memory(&self.processes)
    }

    fn emulator_is_up(&self) -> bool {
        self.client().answers("/_ministack/health")
    }

    /// The AWS side: every service, the functions, the state machines, which the program `step_functions` runs.
    pub fn start_emulator(&self, environment: &Environment, step_functions: &Path) -> Result<Server> {
        let mut command = environment.python();
        command
            .current_dir(paths::workspace().join("local"))
            .args(["-m", "emulator"])
            .envs(local_credentials(&self.endpoint()))
            .env("GATEWAY_PORT", self.emulator.to_string())
            .env("S3_PERSIST", "1")
            .env("S3_DATA_DIR", self.folder.join("s3"))
            .env("INBOX_DIR", self.inbox())
            .env("LOG_DIR", self.folder.join("logs"))
            .env("EXECUTIONS_DIR", self.folder.join("executions"))
            .env("STEP_FUNCTIONS", step_functions)
            .env("SPARK_RUNNER_URL", format!("http://127.0.0.1:{}", self.spark));
        let mut server = Server::start("local AWS", command, &self.log("emulator.log"))?;
        server.wait_until(Duration::from_mins(1), || self.emulator_is_up())?;
        Ok(server)
    }

    /// One warm Spark for all Glue jobs and quality rules.
    pub fn start_spark(&self, environment: &Environment) -> Result<Server> {
        let mut command = environment.python();
        command
            .current_dir(paths::workspace().join("local"))
            .args(["-m", "spark_runner", "--port", &self.spark.to_string(), "--endpoint-url", &self.endpoint()])
            .envs(local_credentials(&self.endpoint()))
            .arg("--s3-root")
            .arg(self.folder.join("s3"))
            .arg("--log-dir")
            .arg(self.folder.join("logs"));
        let mut server = Server::start("Spark runner", command, &self.log("spark.log"))?;
        let spark = self.spark();
        // Alone it takes seconds; beside a first build, minutes.
        server.wait_until(Duration::from_mins(6), || spark.answers("/health"))?;
        Ok(server)
    }

    /// Exchange rates, Slack, the inbox page.
    pub fn start_outside(&self, environment: &Environment, run_date: &str) -> Result<Server> {
        let mut command = environment.python();
        command
            .current_dir(paths::workspace().join("local"))
            .args(["-m", "outside", "--port", &self.outside.to_string(), "--run-date", run_date])
            .arg("--inbox")
            .arg(self.inbox());
        let mut server = Server::start("world outside", command, &self.log("outside.log"))?;
        let outside = self.outside();
        server.wait_until(Duration::from_secs(30), || outside.answers("/faults"))?;
        Ok(server)
    }

    /// Switches the faults of the world outside and of Spark, all others off.
    pub fn set_fault(&self, deployment: Deployment, fault: Option<super::night::Fault>) -> Result<()> {
        use super::night::Fault;

        let is = |wanted: Fault| fault == Some(wanted);
        self.outside().post_json(
            "/faults",
            &json!({"fx-down": is(Fault::FxDown), "fx-missing-currency": is(Fault::FxMissingCurrency), "slack-down": is(Fault::SlackDown)}),
        )?;
        let flaky = ["transform-orders", "publish-to-warehouse"].map(|job| format!("{}-{job}", deployment.stack()));
        self.spark().post_json("/faults", &json!({"failOnce": if is(Fault::GlueFlaky) { flaky.as_slice() } else { &[] }}))?;
        Ok(())
    }
}

/// The stack can be found while this value lives.
pub struct Announcement;

impl Drop for Announcement {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(Addresses::file());
    }
}

fn free_port() -> Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")
}

fn port(listener: &TcpListener) -> Result<u16> {
    Ok(listener.local_addr()?.port())
}
