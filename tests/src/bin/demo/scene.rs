//! One scene: what was shown, the figure that it gave, and what was wrong with it.

/// How a scene that was right begins its line.
pub(crate) const RIGHT: &str = "ok  ";
/// How another one does.
pub(crate) const WRONG: &str = "FAIL";

/// What was shown.
pub(crate) struct Scene {
    /// What happened, in a few words.
    pub(crate) title: String,
    /// What came of it: the outage, the counts.
    pub(crate) figure: String,
    wrong: Vec<String>,
}

impl Scene {
    /// A scene of which nothing wrong is known yet.
    pub(crate) fn new(title: &str) -> Scene {
        Scene { title: title.to_owned(), figure: String::new(), wrong: Vec::new() }
    }

    /// Adds what was not as it should be.
    pub(crate) fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Whether all of it was as it should be.
    pub(crate) fn right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// What was not.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.wrong
    }

    /// Its line without colours: `  ok    title: figure`.
    pub(crate) fn line(&self, mark: &str) -> String {
        format!("  {mark}  {}: {}", self.title, self.figure)
    }

    /// A scene from its line, colours or not.
    pub(crate) fn read(line: &str) -> Option<Scene> {
        let line = uncoloured(line);
        let (mark, rest) = line.trim_end().strip_prefix("  ")?.split_at_checked(RIGHT.len())?;
        let (title, figure) = rest.strip_prefix("  ")?.split_once(": ")?;
        let mut scene = Scene { figure: figure.to_owned(), ..Scene::new(title) };
        match mark {
            RIGHT => {}
            WRONG => scene.wrong("see above"),
            _ => return None,
        }
        Some(scene)
    }
}

/// A line without the sequences that colour it.
fn uncoloured(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_survives_its_line() {
        let mut scene = Scene { figure: "30 requests: web1 10, web2 20".to_owned(), ..Scene::new("both serve") };
        for mark in [RIGHT, "\x1b[1;32mok  \x1b[0m"] {
            let read = Scene::read(&scene.line(mark)).unwrap();
            assert_eq!((read.title.as_str(), read.figure.as_str()), ("both serve", "30 requests: web1 10, web2 20"));
            assert!(read.right());
        }
        scene.wrong("no");
        assert!(!Scene::read(&scene.line(WRONG)).unwrap().right());
        for other in ["", "  ok", "  fine  a: b", "TCP  192.0.2.100:80 wrr", "      1 2 2"] {
            assert!(Scene::read(other).is_none(), "{other:?}");
        }
    }
}
