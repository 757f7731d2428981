//! `brisk sql`: statements as they are typed, each run when its semicolon is there.
//!
//! A SELECT is waited for and Ctrl-C ends it; an INSERT becomes a job that runs on beside the prompt. What stands in `-e`
//! or `-f` runs as a script instead: its jobs are waited for, and its first failure is the end.

use std::path::{Path, PathBuf};

use anyhow::Context;
use brisk_parser::ast::StatementKind;
use clap::Args;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Config, Editor};
use tokio::signal::unix::{SignalKind, signal};

use super::completion::ShellHelper;
use super::run::{VariableArgs, read_script};
use crate::memory::{self, MemoryArgs};
use crate::output::OutputFormat;
use crate::registry::ProgramRegistry;
use crate::script::{Canceller, ScriptOptions, ScriptRunner, parse};
use crate::server::connectors_without_server;
use crate::settings::MemorySettings;

const PROMPT: &str = "brisk> ";
const HISTORY_FILE: &str = ".brisk_history";
const HISTORY_STATEMENTS: usize = 2000;

const HELP: &str = "\
A statement ends with a semicolon; Tab completes, Ctrl-C ends a query or forgets the line.
  \\d          list the tables and views        \\d NAME   describe one
  \\f [TEXT]   list the functions, or those whose names begin with TEXT
  \\i FILE     run a script                     \\?        this text
  \\q          quit
A SELECT prints its rows until it ends. An INSERT runs on as a job until it ends or you quit.";

#[derive(Args)]
pub struct SqlArgs {
    /// Statements to run instead of asking for them.
    #[arg(short, long, value_name = "STATEMENTS", conflicts_with = "file")]
    execute: Option<String>,
    /// A script to run instead; - for standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
    /// How the rows of a SELECT are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// How many subtasks operators have, unless the session says.
    #[arg(short, long)]
    parallelism: Option<usize>,
    #[command(flatten)]
    memory: MemoryArgs,
}

pub fn run(args: SqlArgs) -> anyhow::Result<()> {
    args.memory.apply(&MemorySettings::default(), Path::new(memory::TEMPORARY_DIR))?;
    let options = ScriptOptions { output: args.output, parallelism: args.parallelism, ..ScriptOptions::default() };
    let mut runner = ScriptRunner::with_registry(options, ProgramRegistry::with(connectors_without_server()));
    let text = match (&args.execute, &args.file) {
        (Some(statements), _) => statements.clone(),
        (None, Some(path)) => read_script(path)?,
        (None, None) => return Shell::open(runner.interactive(), args.variables)?.run(),
    };
    Ok(runner.run(&args.variables.substitute(&text)?)?)
}

struct Shell {
    runner: ScriptRunner,
    variables: VariableArgs,
    editor: Editor<ShellHelper, DefaultHistory>,
    history: Option<PathBuf>,
}

/// Whether the shell goes on.
#[derive(PartialEq)]
enum Next {
    Line,
    Quit,
}

impl Shell {
    fn open(runner: ScriptRunner, variables: VariableArgs) -> anyhow::Result<Self> {
        let config = Config::builder().completion_type(CompletionType::List).max_history_size(HISTORY_STATEMENTS)?.build();
        let mut editor = Editor::with_config(config).context("cannot use the terminal")?;
        editor.set_helper(Some(ShellHelper::default()));
        let history = std::env::var_os("HOME").map(|home| Path::new(&home).join(HISTORY_FILE));
        if let Some(path) = history.as_ref().filter(|path| path.exists()) {
            editor.load_history(path).unwrap_or_else(|e| eprintln!("warning: cannot read {}: {e}", path.display()));
        }
        end_queries_on_interrupt(runner.canceller())?;
        Ok(Self { runner, variables, editor, history })
    }

    fn run(mut self) -> anyhow::Result<()> {
        println!("brisk {}. \\? shows help, \\q quits.", env!("CARGO_PKG_VERSION"));
        loop {
            self.runner.take_ended().iter().for_each(|error| eprintln!("a job failed: {error}"));
            if let Some(helper) = self.editor.helper_mut() {
                helper.set_names(self.runner.session());
            }
            let text = match self.editor.readline(PROMPT) {
                Ok(text) => text,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => break,
                Err(e) => return Err(e).context("cannot read from the terminal"),
            };
            if text.trim().is_empty() {
                continue;
            }
            self.editor.add_history_entry(text.trim())?;
            if self.line(text.trim()) == Next::Quit {
                break;
            }
        }
        self.leave();
        Ok(())
    }

    fn line(&mut self, text: &str) -> Next {
        let Some(command) = text.strip_prefix('\\') else { return self.statements(text) };
        let (command, argument) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let argument = argument.trim().trim_end_matches(';');
        match (command, argument) {
            ("?" | "h" | "help", _) => println!("{HELP}"),
            ("q" | "quit", _) => return Next::Quit,
            ("d", "") => return self.statements("SHOW TABLES;"),
            ("d", name) => return self.statements(&format!("DESCRIBE {name};")),
            ("f", "") => return self.statements("SHOW FUNCTIONS;"),
            ("f", start) => return self.statements(&format!("SHOW FUNCTIONS LIKE '{}%';", start.to_lowercase().replace('\'', "''"))),
            ("i", path) => match std::fs::read_to_string(path) {
                Ok(script) => return self.statements(&script),
                Err(e) => eprintln!("error: cannot read {path}: {e}"),
            },
            _ => eprintln!("error: there is no command \\{command}; \\? lists them"),
        }
        Next::Line
    }

    /// Runs statements until one fails.
    fn statements(&mut self, text: &str) -> Next {
        let run = |shell: &mut Self| -> anyhow::Result<Next> {
            let text = shell.variables.substitute(text)?;
            for (number, statement) in parse(&text)?.iter().enumerate() {
                match &statement.kind {
                    StatementKind::Client(command) if ["QUIT", "EXIT"].contains(&command.to_uppercase().as_str()) => return Ok(Next::Quit),
                    StatementKind::Client(command) if command.eq_ignore_ascii_case("CLEAR") => print!("\x1b[2J\x1b[H"),
                    StatementKind::Client(_) => println!("{HELP}"),
                    kind => {
                        shell.runner.statement(statement, number + 1, &text)?;
                        match kind {
                            StatementKind::Insert(_) | StatementKind::StatementSet(_) => println!("started"),
                            StatementKind::Query(_) | StatementKind::Show(_) | StatementKind::Describe(_) => {}
                            StatementKind::Explain(_) | StatementKind::Set(None) => {}
                            _ => println!("ok"),
                        }
                    }
                }
            }
            Ok(Next::Line)
        };
        run(self).unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Next::Line
        })
    }

    fn leave(&mut self) {
        if let Some(path) = &self.history {
            self.editor.save_history(path).unwrap_or_else(|e| eprintln!("warning: cannot write {}: {e}", path.display()));
        }
        self.runner.take_ended().iter().for_each(|error| eprintln!("a job failed: {error}"));
        match self.runner.running_jobs() {
            0 => {}
            n => eprintln!("ending {n} job{} that ran on; `brisk server` keeps jobs", if n == 1 { "" } else { "s" }),
        }
        self.runner.cancel_jobs();
    }
}

/// While the line is edited the terminal gives Ctrl-C as a key; otherwise it is a signal.
fn end_queries_on_interrupt(canceller: Canceller) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot wait for signals")?;
    // Registered here and not in the thread: the editor puts back, after every line, the handler that it found before it.
    let registered = {
        let _runtime = runtime.enter();
        signal(SignalKind::interrupt())
    };
    let mut interrupts = registered.context("cannot wait for signals")?;
    let wait = async move {
        while interrupts.recv().await.is_some() {
            canceller.cancel();
        }
    };
    std::thread::Builder::new().name("interrupt".to_string()).spawn(move || runtime.block_on(wait)).context("cannot wait for signals")?;
    Ok(())
}
