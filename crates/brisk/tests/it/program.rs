//! Running the program in tests.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

pub struct Run {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

pub fn brisk() -> Command {
    Command::new(env!("CARGO_BIN_EXE_brisk"))
}

pub fn run(mut command: Command) -> Run {
    let output = command.output().expect("brisk starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// What a test waits for must come within this.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits for the end of a child, or until `done`.
pub fn wait_until(child: &mut Child, done: impl Fn() -> bool) -> Option<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        if done() {
            return None;
        }
        assert!(begin.elapsed() < LIMIT, "the program neither ends nor gets anywhere");
        std::thread::sleep(Duration::from_millis(1));
    }
}
