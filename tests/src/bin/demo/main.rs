//! `make demo`: two directors and two web servers, live. What happens when each of them fails, and how long a client notices.
//! Ends by itself, cleans up, and exits 0 only if everything it showed was right.
//!
//! ```text
//!   main       the order of things, and the closing table
//!   failover   the first half: who holds the virtual IP              (network namespaces)
//!   balance    the second half: which server answers each request    (a virtual machine with the real IPVS)
//!   asker      a client that asks without a pause
//!   screen     what is redrawn in place on a terminal and printed line by line elsewhere
//!   scene      what was shown, and whether it was right
//! ```

mod asker;
mod balance;
mod failover;
mod scene;
mod screen;

use clap::Parser;
use scene::Scene;
use screen::Screen;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Cli {
    /// The daemon.
    #[arg(long, required_unless_present = "sweep")]
    vipd: Option<PathBuf>,
    /// The program that runs commands under a kernel with IPVS.
    #[arg(long, default_value = "tools/ipvs-vm")]
    vm: PathBuf,
    /// Show the second half only, here: what the virtual machine runs.
    #[arg(long)]
    lvs: bool,
    /// Wait for the end of this process and remove what it left: what the demonstration starts beside itself.
    #[arg(long, hide = true)]
    sweep: Option<u32>,
    /// A directory to remove then.
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(owner) = cli.sweep {
        sweep(owner, cli.directory.as_deref());
        return ExitCode::SUCCESS;
    }
    let Some(vipd) = cli.vipd else { return ExitCode::FAILURE };
    let vipd = std::fs::canonicalize(&vipd).unwrap_or_else(|e| panic!("{}: {e}", vipd.display()));
    vipd_tests::director::use_vipd(vipd.clone());
    let mut screen = Screen::new();
    if cli.lvs {
        return verdict(&balance::show(&mut screen));
    }
    let start = Instant::now();
    let mut scenes = failover::show(&mut screen);
    scenes.extend(in_the_machine(&mut screen, &cli.vm, &vipd));
    closing(&mut screen, &scenes, start.elapsed());
    verdict(&scenes)
}

fn verdict(scenes: &[Scene]) -> ExitCode {
    if !scenes.is_empty() && scenes.iter().all(Scene::right) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The table at the end.
fn closing(screen: &mut Screen, scenes: &[Scene], took: Duration) {
    screen.say("");
    screen.title("What was shown");
    let width = scenes.iter().map(|s| s.title.chars().count()).max().unwrap_or(0);
    for scene in scenes {
        let title = format!("{:<width$}", scene.title);
        screen.say(format!("  {}  {title}  {}", screen.mark(scene.right()), scene.figure));
    }
    let wrong = scenes.iter().filter(|s| !s.right()).count();
    let seconds = took.as_secs();
    screen.say("");
    screen.say(match wrong {
        0 => format!("Everything was right: {} scenes in {seconds} s. Nothing is left running.", scenes.len()),
        _ => format!("{wrong} of {} scenes were not right; the reasons stand below each of them above.", scenes.len()),
    });
}

/// Runs the second half in the virtual machine; what it says is passed on as it comes, and its scenes are read from that.
fn in_the_machine(screen: &mut Screen, vm: &Path, vipd: &Path) -> Vec<Scene> {
    screen.say("");
    screen.title("2. Which server answers: the kernel's IPVS, in a virtual machine that has it");
    screen.say("");
    let me = std::env::current_exe().unwrap_or_else(|e| panic!("{e}"));
    let lost = |what: String| {
        let mut scene = Scene::new("the second half");
        scene.wrong(what);
        vec![scene]
    };
    screen.waiting("the kernel of the virtual machine (fetched once, 70 MB)", None);
    match Command::new(vm).arg("--prepare").status() {
        Ok(status) if status.success() => {}
        Ok(status) => return lost(format!("{} --prepare ended with {status}", vm.display())),
        Err(e) => return lost(format!("{}: {e}", vm.display())),
    }
    let mut command = Command::new(vm);
    command.args(["--timeout", "200", "--env", &screen.told_to_others()]);
    command.arg("--").arg(me).arg("--lvs").arg("--vipd").arg(vipd).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) => return lost(format!("{}: {e}", vm.display())),
    };
    let said = listen(&mut child);
    let start = Instant::now();
    let mut text = Vec::new();
    loop {
        match said.recv_timeout(Duration::from_millis(200)) {
            Ok(piece) => {
                screen.raw(&piece);
                text.extend(piece);
            }
            Err(RecvTimeoutError::Timeout) if text.is_empty() => {
                screen.waiting("the virtual machine to start (some 5 s)", Some(start.elapsed()));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait();
    let mut scenes: Vec<Scene> = String::from_utf8_lossy(&text).lines().filter_map(Scene::read).collect();
    let planned = balance::SCENES;
    match status {
        Ok(status) if status.success() && scenes.len() == planned => {}
        Ok(status) => scenes.extend(lost(format!("{} of {planned} scenes, then {status}", scenes.len()))),
        Err(e) => scenes.extend(lost(e.to_string())),
    }
    scenes
}

/// What a process says, in pieces, as it says them.
fn listen(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = output.read(&mut buffer)
                && n > 0
                && sender.send(buffer[..n].to_vec()).is_ok()
            {}
        });
    }
    receiver
}

/// Removes the laboratory even if this process can't: in a process group of its own, so that Ctrl-C doesn't reach it.
/// Ends with this process at the latest.
fn insure(directory: &Path) -> Option<Child> {
    let me = std::env::current_exe().ok()?;
    let mut command = Command::new(me);
    command.arg("--sweep").arg(std::process::id().to_string()).arg("--directory").arg(directory);
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}

fn sweep(owner: u32, directory: Option<&Path>) {
    let owner = PathBuf::from(format!("/proc/{owner}"));
    while owner.exists() {
        std::thread::sleep(Duration::from_millis(100));
    }
    // A new laboratory begins with the removal of those whose owners are gone.
    drop(vipd_tests::lab::Lab::new());
    if let Some(directory) = directory.filter(|d| d.starts_with(std::env::temp_dir())) {
        let _ = std::fs::remove_dir_all(directory); // gone already: as it should be
    }
}
