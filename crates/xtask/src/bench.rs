//! `cargo xtask bench`: what the functions cost, measured side by side on this machine, and how many nights a second are rehearsed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{self, run_logged};
use crate::progress::Progress;
use crate::{functions, paths};

#[derive(Args)]
pub struct Arguments {
    /// Processes to start of each function
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Events that each process answers once it is warm
    #[arg(long, default_value_t = 200)]
    events: usize,
    /// The cargo profile of the functions
    #[arg(long, default_value = "release")]
    profile: String,
    /// Nights to rehearse on the engine alone; a tenth of them is rehearsed whole, and ten times as many to see the memory
    #[arg(long, default_value_t = 100_000)]
    nights: u64,
    /// Measure one of the two
    #[arg(long)]
    only: Option<Subject>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    Functions,
    Rehearsal,
}

/// One process of a function, from its start to its last answer.
struct Sample {
    ready: Duration,
    first: Duration,
    warm: Duration,
    memory_bytes: u64,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    process::catch_interrupts()?;
    if arguments.runs == 0 || arguments.events == 0 || arguments.nights == 0 {
        bail!("--runs, --events and --nights are at least 1");
    }
    let progress = Progress::new();
    if arguments.only != Some(Subject::Rehearsal) {
        functions(arguments, &progress)?;
    }
    if arguments.only != Some(Subject::Functions) {
        rehearsal(arguments, &progress)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Nights a second, and the memory over many: a program of its own, so that this one stays light.
fn rehearsal(arguments: &Arguments, progress: &Progress) -> Result<()> {
    let stage = progress.stage("The rehearsal");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(paths::workspace()).args(["build", "--profile", "rehearsal", "--package", "nightly-rehearsal", "--example", "bench"]);
    cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100").env("CARGO_TERM_COLOR", "never");
    run_logged("building the rehearsal", &mut cargo, &paths::target().join("bench-build.log"), |line| {
        if let Some((done, total)) = functions::cargo_progress(line) {
            stage.at(done, total);
        }
    })?;
    stage.done("");
    let program = paths::target().join("rehearsal/examples/bench");
    let nights = [arguments.nights, arguments.nights.div_ceil(10), arguments.nights.saturating_mul(10)];
    let status = Command::new(&program).args(nights.map(|nights| nights.to_string())).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    if status.success() { Ok(()) } else { bail!("{} failed: {status}", program.display()) }
}

/// Start, latency and memory of each function.
fn functions(arguments: &Arguments, progress: &Progress) -> Result<()> {
    let stage = progress.stage(format!("Rust functions, profile {}", arguments.profile));
    let binaries = functions::build(&arguments.profile, &stage)?;
    stage.done("");
    println!(
        "An event that the function refuses, so that only the runtime and our own code are measured. Medians of {} processes.",
        arguments.runs
    );
    println!("{:<20} {:>10} {:>12} {:>12} {:>10} {:>10}", "function", "start ms", "1st answer", "warm ms", "peak MB", "binary MB");
    // A B C A B C …: the machine's moods meet every function alike.
    let mut samples: Vec<Vec<Sample>> = binaries.iter().map(|_| Vec::new()).collect();
    for _ in 0..arguments.runs {
        for (index, (_, binary)) in binaries.iter().enumerate() {
            process::check_interrupt()?;
            samples[index].push(measure(binary, arguments.events)?);
        }
    }
    for ((name, binary), samples) in binaries.iter().zip(&samples) {
        println!("{}", row(name, binary, samples)?);
    }
    Ok(())
}

fn row(name: &str, binary: &Path, samples: &[Sample]) -> Result<String> {
    let milliseconds = |of: fn(&Sample) -> Duration| median(samples.iter().map(|sample| of(sample).as_secs_f64() * 1e3).collect());
    #[expect(clippy::cast_precision_loss, reason = "a size in megabytes needs no more digits")]
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    Ok(format!(
        "{name:<20} {:>10.2} {:>12.2} {:>12.3} {:>10.1} {:>10.1}",
        milliseconds(|sample| sample.ready),
        milliseconds(|sample| sample.first),
        milliseconds(|sample| sample.warm),
        median(samples.iter().map(|sample| megabytes(sample.memory_bytes)).collect()),
        megabytes(std::fs::metadata(binary)?.len()),
    ))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Starts the binary against a runtime API of ours, and lets it answer.
fn measure(binary: &PathBuf, events: usize) -> Result<Sample> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            std::thread::spawn(move || serve(connection, &sender));
        }
    });
    let started = Instant::now();
    let mut child = Command::new(binary)
        .env_clear()
        .envs(functions::example_configuration())
        .envs([("AWS_LAMBDA_RUNTIME_API", address.to_string()), ("AWS_REGION", "eu-central-1".into()), ("RUST_LOG", "off".into())])
        .envs([("AWS_LAMBDA_FUNCTION_NAME", "bench"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .envs([
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let next = || receiver.recv_timeout(Duration::from_secs(20)).with_context(|| format!("{} does not answer", binary.display()));
    let result = (|| {
        let ready = next()?.duration_since(started);
        let first = next()?.duration_since(started);
        let mut gaps = Vec::with_capacity(events);
        let mut before = Instant::now();
        for _ in 0..events {
            next()?;
            gaps.push(before.elapsed().as_secs_f64());
            before = Instant::now();
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
        let peak: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .context("the process tells no peak memory")?;
        Ok(Sample { ready, first, warm: Duration::from_secs_f64(median(gaps)), memory_bytes: peak * 1024 })
    })();
    // It may have ended by itself already.
    let _ = child.kill();
    child.wait()?;
    result
}

/// The runtime API: each request for the next event, and each answer after the first event, is reported with its time.
fn serve(connection: TcpStream, report: &mpsc::Sender<Instant>) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut writer = connection.try_clone().ok()?;
    let mut reader = BufReader::new(connection);
    let mut first = true;
    loop {
        let (path, length) = request(&mut reader)?;
        let now = Instant::now();
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        if path.ends_with("/invocation/next") {
            if first {
                report.send(now).ok()?;
                first = false;
            }
            let body = "{}";
            write!(
                writer,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {:p}\r\nLambda-Runtime-Deadline-Ms: 9999999999999\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:000000000000:function:bench\r\nContent-Length: {}\r\n\r\n{body}",
                &raw const now,
                body.len()
            )
            .ok()?;
        } else {
            report.send(now).ok()?;
            write!(writer, "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{{}}").ok()?;
        }
    }
}

/// A request's path and the length of its body.
fn request(reader: &mut impl BufRead) -> Option<(String, u64)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let path = line.split_whitespace().nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { return Some((path, length)) };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
}
