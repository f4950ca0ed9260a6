//! `rolecall import`: reads files, lets [`crate::import`] translate them, and writes what came of it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::import::{Source, import};

/// Far above any configuration.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Files of HAProxy, or folders of .cfg files, in the order in which HAProxy reads them; - is standard input
    #[arg(required = true, value_name = "HAPROXY.CFG")]
    files: Vec<PathBuf>,
    /// Where to write the new configuration; without it, to standard output, and the report to standard error
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the output file
    #[arg(long, requires = "output")]
    force: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{path} cannot be read: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} is larger than {LONGEST} bytes, which no configuration is")]
    TooLarge { path: String },
    #[error("the folder {path} holds no .cfg file")]
    NoFiles { path: String },
    #[error("{path} is there already: give another name, or --force")]
    Exists { path: String },
    #[error("{path} cannot be written: {source}")]
    Write { path: String, source: io::Error },
}

/// Does it; 0 when a configuration was written, 1 when not.
pub fn run(arguments: &Arguments) -> ExitCode {
    match imported(arguments) {
        Ok(code) => code,
        Err(failed) => {
            complain(&failed.to_string());
            ExitCode::FAILURE
        }
    }
}

fn imported(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let output = arguments
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    if let Some(output) = output.filter(|_| !arguments.force) {
        refuse_to_overwrite(output)?;
    }
    let sources = sources(&arguments.files)?;
    let import = import(&sources);
    let yaml = match import.yaml {
        Ok(yaml) => yaml,
        Err(not_written) => {
            say(&mut io::stderr(), &import.report);
            complain(&not_written.to_string());
            return Ok(ExitCode::FAILURE);
        }
    };
    match output {
        None => {
            say(&mut io::stderr(), &import.report);
            print(&yaml)?;
        }
        Some(output) => {
            write(output, &yaml, arguments.force)?;
            say(&mut io::stdout(), &import.report);
            let next = format!(
                "\n{0} is written. Next: rolecall check -c {0}\n",
                output.display()
            );
            say(&mut io::stdout(), &next);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whoever closed the stream does not want the words.
fn say(to: &mut dyn Write, text: &str) {
    let _unread = to.write_all(text.as_bytes());
}

fn complain(text: &str) {
    say(&mut io::stderr(), &format!("rolecall: {text}\n"));
}

/// The configuration itself is not to get lost unseen.
fn print(yaml: &str) -> Result<(), Failed> {
    let mut out = io::stdout();
    let written = out.write_all(yaml.as_bytes()).and_then(|()| out.flush());
    written.map_err(|source| Failed::Write {
        path: "standard output".to_owned(),
        source,
    })
}

fn refuse_to_overwrite(output: &Path) -> Result<(), Failed> {
    match fs::symlink_metadata(output) {
        Ok(_) => Err(Failed::Exists {
            path: output.display().to_string(),
        }),
        Err(_) => Ok(()),
    }
}

fn write(output: &Path, yaml: &str, force: bool) -> Result<(), Failed> {
    let path = || output.display().to_string();
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => Failed::Exists { path: path() },
        _ => Failed::Write {
            path: path(),
            source,
        },
    };
    let mut options = fs::OpenOptions::new();
    options.write(true);
    // Between the look at the beginning and now somebody may have made it.
    let options = if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(output).map_err(failed)?;
    file.write_all(yaml.as_bytes()).map_err(failed)
}

/// All files with the names that they are cited by: the last part of the path where that is unique.
fn sources(files: &[PathBuf]) -> Result<Vec<Source>, Failed> {
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for file in files {
        if file.is_dir() {
            for file in folder(file)? {
                let text = text_of(&file)?;
                found.push((file, text));
            }
        } else {
            found.push((file.clone(), text_of(file)?));
        }
    }
    let short = |path: &Path| match path.file_name() {
        _ if path == Path::new("-") => "stdin".to_owned(),
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    };
    let names: Vec<String> = found.iter().map(|(path, _)| short(path)).collect();
    let sources = found.into_iter().zip(&names).map(|((path, text), name)| {
        let unique = names.iter().filter(|other| *other == name).count() == 1;
        let name = if unique {
            name.clone()
        } else {
            path.display().to_string()
        };
        Source { name, text }
    });
    Ok(sources.collect())
}

/// As HAProxy takes a folder: the .cfg files in it, by name.
fn folder(path: &Path) -> Result<Vec<PathBuf>, Failed> {
    let unreadable = |source| Failed::Read {
        path: path.display().to_string(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|end| end == "cfg") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        let path = path.display().to_string();
        return Err(Failed::NoFiles { path });
    }
    Ok(files)
}

fn text_of(path: &Path) -> Result<String, Failed> {
    let shown = || path.display().to_string();
    let failed = |source| Failed::Read {
        path: shown(),
        source,
    };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(fs::File::open(path).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    input
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= LONGEST => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Err(Failed::TooLarge { path: shown() }),
    }
}
