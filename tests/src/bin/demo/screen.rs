//! Where the demonstration is seen. On a terminal a block of lines is redrawn in place while something goes on; elsewhere
//! the same is told in a line each time that it changes.

use crate::scene::{RIGHT, Scene, WRONG};
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// The widest line of a block: a line that wraps could not be redrawn.
const WIDTH: usize = 79;

/// Names who looks on, for a process that can't see it itself.
const VIEWER: &str = "VIPD_DEMO_VIEWER";

/// Who looks on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Viewer {
    /// A terminal.
    Terminal,
    /// A file, a pipe.
    Paper,
}

/// The place to draw on.
pub(crate) struct Screen {
    viewer: Viewer,
    coloured: bool,
    /// Lines of the block that stand there now.
    drawn: usize,
    /// What was last told in a line.
    told: String,
    /// What goes on: the first line of the block.
    heading: Option<String>,
}

impl Screen {
    /// Standard output.
    pub(crate) fn new() -> Screen {
        // In the virtual machine there is a terminal in any case; who looks on is known outside.
        let (viewer, coloured) = match std::env::var(VIEWER).as_deref() {
            Ok("colour") => (Viewer::Terminal, true),
            Ok("terminal") => (Viewer::Terminal, false),
            Ok(_) => (Viewer::Paper, false),
            Err(_) if std::io::stdout().is_terminal() => (Viewer::Terminal, std::env::var_os("NO_COLOR").is_none()),
            Err(_) => (Viewer::Paper, false),
        };
        Screen { viewer, coloured, drawn: 0, told: String::new(), heading: None }
    }

    /// The variable that tells another process of the demonstration who looks on: `NAME=VALUE`.
    pub(crate) fn told_to_others(&self) -> String {
        let viewer = match (self.viewer, self.coloured) {
            (Viewer::Terminal, true) => "colour",
            (Viewer::Terminal, false) => "terminal",
            (Viewer::Paper, _) => "paper",
        };
        format!("{VIEWER}={viewer}")
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Green or red.
    pub(crate) fn mark(&self, right: bool) -> String {
        if right { self.paint("1;32", RIGHT) } else { self.paint("1;31", WRONG) }
    }

    /// Not in the foreground.
    pub(crate) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A row of answers with its losses in red.
    pub(crate) fn losses(&self, marks: &str) -> String {
        let mut text = String::new();
        for run in marks.split_inclusive(|c| c != '.') {
            let dots = run.trim_end_matches(|c| c != '.');
            if !dots.is_empty() {
                text.push_str(&self.paint("1;31", dots));
            }
            text.push_str(run.get(dots.len()..).unwrap_or_default());
        }
        text
    }

    /// A scene begins. On a terminal its title goes with the block, as its line in the end says it all.
    pub(crate) fn opening(&mut self, title: &str) {
        self.say("");
        match self.viewer {
            Viewer::Terminal => self.heading = Some(format!("  ....  {title}")),
            Viewer::Paper => self.say(format!("  {title} ...")),
        }
    }

    /// What a block would say, where there is none.
    pub(crate) fn note(&mut self, text: &str) {
        if self.viewer == Viewer::Paper {
            println!("{text}");
            self.flush();
        }
    }

    /// A heading.
    pub(crate) fn title(&mut self, text: &str) {
        let text = self.paint("1", text);
        self.say(text);
    }

    /// A line that stays.
    pub(crate) fn say(&mut self, text: impl Display) {
        self.clear();
        println!("{text}");
        self.told.clear();
        self.flush();
    }

    /// Bytes that another process has laid out.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.clear();
        let _ = std::io::stdout().write_all(bytes); // who has stopped listening misses nothing
        self.flush();
    }

    /// The end of a scene: its line, and what was wrong.
    pub(crate) fn scene(&mut self, scene: &Scene) {
        self.heading = None;
        let mark = self.mark(scene.right());
        self.say(scene.line(&mark));
        for what in scene.complaints() {
            let what = self.paint("31", &format!("        ! {what}"));
            self.say(what);
        }
    }

    /// The block in place on a terminal, and elsewhere `told` if it is news.
    pub(crate) fn draw(&mut self, block: &[String], told: &str) {
        match self.viewer {
            Viewer::Terminal => {
                let mut text = self.erasure();
                let heading = self.heading.iter();
                self.drawn = 0;
                for line in heading.chain(block) {
                    text.extend(line.chars().take(WIDTH));
                    text.push('\n');
                    self.drawn += 1;
                }
                print!("{text}");
            }
            Viewer::Paper if told != self.told => {
                println!("{told}");
                told.clone_into(&mut self.told);
            }
            Viewer::Paper => {}
        }
        self.flush();
    }

    /// Says what is being waited for, and for how long it has been.
    pub(crate) fn waiting(&mut self, what: &str, since: Option<Duration>) {
        let told = format!("      waiting for {what}");
        let since = since.map(|s| format!(": {:.0} s", s.as_secs_f64())).unwrap_or_default();
        self.draw(&[format!("{told}{since}")], &told);
    }

    /// Takes the block away.
    fn clear(&mut self) {
        print!("{}", self.erasure());
        self.drawn = 0;
    }

    fn erasure(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }

    fn flush(&self) {
        let _ = std::io::stdout().flush(); // who has stopped listening misses nothing
    }
}
