//! The COMMAND that runs while the system is traced.

use std::{
    env,
    ffi::OsString,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{AccessFlags, Pid, access},
};
use tokio::{process, time::timeout};

/// How long a command gets between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// A command that was found and can be started.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    words: Vec<OsString>,
}

/// A command that runs.
#[derive(Debug)]
pub struct Child {
    process: process::Child,
}

/// Finds the program of `words` before anything is attached; `None` when there are no words.
///
/// # Errors
///
/// When there is no such program, or it may not be run.
pub fn find(words: &[OsString]) -> Result<Option<Program>> {
    let Some(name) = words.first() else {
        return Ok(None);
    };
    let search = env::var_os("PATH").unwrap_or_default();
    let path = if Path::new(name).components().count() > 1 {
        PathBuf::from(name)
    } else {
        match env::split_paths(&search)
            .map(|directory| directory.join(name))
            .find(|path| is_program(path))
        {
            Some(path) => path,
            None => bail!(
                "there is no command `{}` in PATH: check its name, or give its path",
                name.display()
            ),
        }
    };
    if !is_program(&path) {
        bail!("`{}` is not a program that can be run", path.display());
    }
    Ok(Some(Program {
        path,
        words: words.to_vec(),
    }))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When the kernel cannot execute it.
    pub fn start(&self) -> Result<Child> {
        let process = process::Command::new(&self.path)
            .arg0(&self.words[0])
            .args(&self.words[1..])
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to run `{}`", self.path.display()))?;
        Ok(Child { process })
    }
}

impl Child {
    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        self.process
            .wait()
            .await
            .context("failed to wait for the command")
    }

    /// Ends it: SIGTERM, then SIGKILL after two seconds.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell its end.
    pub async fn end(&mut self) -> Result<ExitStatus> {
        if let Some(id) = self.process.id() {
            // It may have ended on its own by now.
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM);
        }
        if let Ok(status) = timeout(GRACE, self.wait()).await {
            return status;
        }
        self.process
            .kill()
            .await
            .context("failed to kill the command")?;
        self.wait().await
    }
}

/// The status a shell would report: the command's own, or 128 and the signal that ended it.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn no_words_are_no_command() {
        assert!(find(&[]).expect("nothing to find").is_none());
    }

    #[test]
    fn a_command_that_does_not_exist_is_told_before_it_runs() {
        let error = find(&words(&["no-such-command"])).expect_err("none");
        assert!(
            error
                .to_string()
                .starts_with("there is no command `no-such-command` in PATH")
        );
        let error = find(&words(&["/etc/passwd"])).expect_err("not a program");
        assert_eq!(
            error.to_string(),
            "`/etc/passwd` is not a program that can be run"
        );
    }

    #[tokio::test]
    async fn the_status_is_the_commands_own() {
        let program = find(&words(&["sh", "-c", "exit 7"]))
            .expect("sh")
            .expect("a program");
        let mut child = program.start().expect("started");
        assert_eq!(exit_code(child.wait().await.expect("ended")), 7);
    }

    #[tokio::test]
    async fn a_command_that_goes_on_is_ended() {
        let program = find(&words(&["sleep", "1000"]))
            .expect("sleep")
            .expect("a program");
        let mut child = program.start().expect("started");
        assert_eq!(exit_code(child.end().await.expect("ended")), 128 + 15);
    }
}
