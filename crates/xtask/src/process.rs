//! Processes that end when we end, and commands whose output goes to a log.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C and SIGTERM a flag: whoever waits looks at it, and every [`Server`] stops as its owner goes.
pub fn catch_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst)).context("cannot listen for Ctrl-C")
}

/// Whether somebody pressed Ctrl-C.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Fails once somebody pressed Ctrl-C.
pub fn check_interrupt() -> Result<()> {
    if interrupted() {
        bail!("stopped by Ctrl-C");
    }
    Ok(())
}

/// Sleeps, but not through a Ctrl-C.
pub fn pause(duration: Duration) -> Result<()> {
    let until = Instant::now() + duration;
    while Instant::now() < until {
        check_interrupt()?;
        std::thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
    }
    check_interrupt()
}

/// A server of ours, in a process group of its own, stopped with everything it started when this value goes.
pub struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Server {
    pub fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let file = create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let child = spawn_for_good(command).with_context(|| format!("cannot start the {name}"))?;
        Ok(Self { name, child, log: log.to_path_buf() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` says so; fails with the end of the log when the server ends first or takes too long.
    pub fn wait_until(&mut self, limit: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let until = Instant::now() + limit;
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the {} ended at its start ({status}): {} (log: {})", self.name, last_line(&self.log), self.log.display());
            }
            if Instant::now() > until {
                bail!("the {} is not ready after {} s (log: {})", self.name, limit.as_secs(), self.log.display());
            }
            pause(Duration::from_millis(100))?;
        }
        Ok(())
    }
}

/// Starts a process from a thread that never ends. Our servers ask Linux to end them with their parent, and Linux means the thread.
fn spawn_for_good(command: Command) -> std::io::Result<Child> {
    type Request = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();

    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // Whoever asked may have gone; the child is then dropped and ends with us.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = mpsc::channel();
    let gone = |_| std::io::Error::other("the thread that starts processes is gone");
    spawner.send((command, answer)).map_err(|error| gone(error.to_string()))?;
    child.recv().map_err(|error| gone(error.to_string()))?
}

impl Drop for Server {
    fn drop(&mut self) {
        stop_group(&mut self.child);
    }
}

/// Asks the group to end, and ends what has not after three seconds.
fn stop_group(child: &mut Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    // An error here means that the group is already gone.
    let _ = kill_process_group(group, Signal::TERM);
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

/// Runs a command to its end. Every line goes to `log` and to `each_line`; a failure names the command and the log.
pub fn run_logged(what: &str, command: &mut Command, log: &Path, mut each_line: impl FnMut(&str) + Send) -> Result<()> {
    use std::io::Write;

    let mut file = create(log)?;
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {what}: is {} installed?", command.get_program().display()))?;
    // The command keeps the pipe's writing ends; ours must go, or the reader never sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = std::thread::scope(|scope| -> Result<ExitStatus> {
        let lines = scope.spawn(move || {
            for line in lines(reader) {
                // A full disk must not end the command that is being logged.
                let _ = writeln!(file, "{line}");
                each_line(&line);
            }
        });
        let status = loop {
            if interrupted() {
                stop_group(&mut child);
            }
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(30));
        };
        lines.join().expect("the reader does not panic");
        Ok(status)
    })?;
    check_interrupt()?;
    if !status.success() {
        bail!("{what} failed ({status}): {} (log: {})", last_line(log), log.display());
    }
    Ok(())
}

/// Lines ended by a line feed or a carriage return, as progress bars write them.
fn lines(reader: impl Read) -> impl Iterator<Item = String> {
    let mut reader = BufReader::new(reader);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        loop {
            let available = reader.fill_buf().ok()?;
            if available.is_empty() {
                return (!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned());
            }
            let end = available.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            line.extend_from_slice(&available[..end.unwrap_or(available.len())]);
            let used = end.map_or(available.len(), |end| end + 1);
            reader.consume(used);
            if end.is_some() {
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
        }
    })
}

fn create(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    File::create(log).with_context(|| format!("cannot write {}", log.display()))
}

/// The last line that tells of an error, else the last that says something.
fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = || text.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    let is_error = |line: &&str| line.to_lowercase().starts_with("error");
    let line = lines().find(is_error).or_else(|| lines().next()).unwrap_or("it said nothing");
    console::truncate_str(line, 300, "…").into_owned()
}

/// The memory that a process and all its descendants hold, in bytes, shared pages counted once (PSS).
pub fn memory(roots: &[u32]) -> u64 {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut family = roots.to_vec();
    let mut next = 0;
    while next < family.len() {
        let parent = family[next];
        family.extend(parents.iter().filter(|link| link.1 == parent).map(|link| link.0));
        next += 1;
    }
    family.iter().filter_map(|pid| proportional_set_size(*pid)).sum()
}

fn proportional_set_size(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kibibytes: u64 = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_names_itself_its_last_line_and_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("build.log");
        let mut seen = Vec::new();
        let error =
            run_logged("the build", Command::new("sh").args(["-c", "printf 'half\\rwhole\\n'; echo broken >&2; exit 3"]), &log, |line| {
                seen.push(line.to_owned());
            })
            .unwrap_err()
            .to_string();
        assert_eq!(seen, ["half", "whole", "broken"]);
        assert!(error.contains("the build failed") && error.contains("broken") && error.contains("build.log"), "{error}");
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_that_goes_takes_what_it_started_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("child");
        let script = format!("sleep 600 & echo $! > {0}.tmp; mv {0}.tmp {0}; wait", marker.display());
        let mut server = Server::start("server", shell(&script), &folder.path().join("log")).unwrap();
        server.wait_until(Duration::from_secs(10), || marker.exists()).unwrap();
        let child: u32 = fs::read_to_string(&marker).unwrap().trim().parse().unwrap();
        assert!(memory(&[server.pid()]) > 0);
        drop(server);
        let alive = || fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        let until = Instant::now() + Duration::from_secs(5);
        while alive() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!alive(), "process {child} outlived its server");
    }

    #[test]
    fn a_server_that_ends_at_once_is_named_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start("emulator", shell("echo port is taken; exit 1"), &folder.path().join("log")).unwrap();
        let error = server.wait_until(Duration::from_secs(10), || false).unwrap_err().to_string();
        assert!(error.contains("the emulator ended at its start") && error.contains("port is taken"), "{error}");
    }
}
