//! What `vipd` has to say about a configuration: findings with a level, a stable code, a place in a file and a way out.
//! Not how they look on a terminal: that is `render`.

use crate::secret::PART;
use crate::source::{Map, Place};
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The configuration can't be used.
    Error,
    /// It can be used, but does something else than it seems to say, or less.
    Warning,
    /// A matter of taste, or of old habits.
    Lint,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Lint => "lint",
        })
    }
}

macro_rules! codes {
    ($($name:ident $level:ident $id:literal $title:literal $(-> $advice:literal)?,)*) => {
        /// The kinds of findings. The identifiers are stable: scripts and tests may rely on them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $(#[doc = concat!($id, ": ", $title)] $name,)*
        }

        impl Code {
            /// Every code, in the order of their identifiers.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The stable identifier, such as `V0201`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// The same as one word: `UnknownKeyword`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => stringify!($name),)* }
            }

            /// The level that findings of this kind have for the most part.
            pub fn level(self) -> Level {
                match self { $(Code::$name => Level::$level,)* }
            }

            /// What to do about an error of this kind, where nothing better is known; `None`: there are no errors of it.
            pub fn advice(self) -> Option<&'static str> {
                match self { $(Code::$name => None$(.or(Some($advice)))?,)* }
            }

            /// What findings of this kind have in common.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)* }
            }
        }
    };
}

codes! {
    FileUnusable Error "V0101" "a configuration file can't be read" -> "see that it is there, and that whoever runs vipd may read it",
    IncludeNothing Warning "V0102" "an include reads nothing" -> "correct the pattern, or take the line out",
    IncludeSkipped Warning "V0103" "an include skips a file",
    TooMuch Error "V0104" "the configuration exceeds a limit" -> "make it smaller",
    LineUnusable Error "V0105" "a line is too long or is not text" -> "look at that line in an editor that shows all characters",
    UnmatchedQuote Error "V0106" "a quote is not closed" -> "close it on the same line",
    BadCondition Error "V0107" "a condition is malformed" -> "@ID or @^ID in front of a line",
    BadDefinition Error "V0108" "a definition is malformed" -> "$NAME=VALUE",
    BadSequence Error "V0109" "a sequence or list is malformed" -> "~SEQ(NAME, FIRST, LAST) or ~LST(NAME, VALUE, ...)",
    Undefined Error "V0110" "a name is not defined" -> "define it above: $NAME=VALUE",
    CyclicDefinition Error "V0111" "a definition refers to itself" -> "take the reference to itself out of its value",
    MisplacedReference Error "V0112" "a multi-line definition is used in the middle of a line" -> "put the rest of the line on one of its own",
    BadPredefined Error "V0113" "a predefined name has bad parameters" -> "correct the parameters",
    BadEscape Error "V0114" "an escape sequence can't be used" -> "write the character as it is",
    CommentInWord Lint "V0115" "a comment starts inside a word",
    UnknownKeyword Error "V0201" "a keyword is not known here" -> "correct it, or take it out",
    MisplacedKeyword Error "V0202" "a keyword belongs elsewhere" -> "move it to where it belongs",
    UnexpectedOpen Error "V0203" "a block opens where none is expected" -> "take the block out, or give it the keyword that it is of",
    MissingOpen Error "V0204" "a block has no opening brace" -> "open it with a `{` behind the keyword",
    ExtraClose Error "V0205" "a closing brace has nothing to close" -> "take this `}` out, or look for the block that was closed too early",
    MissingClose Error "V0206" "a block is not closed" -> "add the `}` where the block ends",
    MissingValue Error "V0207" "a value is missing" -> "add it on this line",
    ExtraWord Warning "V0208" "a word is ignored",
    Repeated Warning "V0209" "something is given twice" -> "keep one of them",
    BadNumber Error "V0301" "not a number" -> "write it in digits",
    OutOfRange Error "V0302" "a number is out of range" -> "give it a value that is possible",
    Rounded Warning "V0303" "a number is rounded",
    BadWord Error "V0304" "a word is not among the possible ones" -> "use one that is possible here, or take it out",
    BadAddress Error "V0305" "an address is malformed" -> "correct the address",
    WrongFamily Error "V0306" "an address is of the wrong family" -> "give it an address of the other family, or take it out",
    BadName Error "V0307" "a name is too long or malformed" -> "give it a shorter or simpler name",
    BadPattern Error "V0308" "a pattern can't be used" -> "correct the pattern",
    Missing Error "V0401" "something needed is missing" -> "add it",
    DuplicateName Error "V0402" "a name is used twice" -> "give one of them another name, or take it out",
    DuplicateVrid Error "V0403" "a virtual router identifier is used twice on one interface" -> "give one of them another `virtual_router_id`",
    Adjusted Warning "V0404" "a setting does not fit the others and was adjusted" -> "take one of the two out",
    AuthDropped Warning "V0405" "authentication is not used",
    UnknownReference Error "V0406" "a name refers to nothing" -> "correct the name, or define it",
    GroupMembership Error "V0407" "a sync group has unusable members" -> "an instance is in one group, once",
    Unused Warning "V0409" "something is defined but has no effect",
    SharedAddress Warning "V0410" "an address belongs to two virtual routers",
    NoPeer Error "V0411" "unicast adverts have no peer to go to" -> "list the other routers' addresses in `unicast_peer`",
    StrictDrops Lint "V0412" "strict mode drops what is sent to virtual addresses",
    NoAddress Lint "V0413" "a virtual router has no address",
    UselessWeight Warning "V0414" "a weight never changes the priority",
    DuplicateServer Error "V0501" "a virtual or real server is given twice" -> "take one of them out, or give it another address or port",
    RangeTooLarge Error "V0502" "a range of addresses is too large" -> "split it, or make it smaller",
    PortRule Warning "V0503" "a port does not fit the forwarding method",
    EmptyService Warning "V0504" "a virtual server has no real server" -> "add what it is to hold, or take it out",
    WeakCheck Warning "V0505" "a check tests less than the file says",
    SlowCheck Lint "V0506" "a check may take longer than its interval",
    OwnServer Lint "V0507" "a real server has a virtual address",
    NoWeight Warning "V0508" "no real server has any weight",
    ScriptUnusable Error "V0601" "a script can't be run" -> "correct the path, or the file's mode (chmod +x)",
    ScriptInsecure Error "V0602" "a script could be changed by somebody else" -> "see that only root may write it and the directories above it",
    UnknownUser Error "V0603" "a user or group does not exist" -> "correct the name, or add that user to this host",
    Unresolvable Warning "V0604" "a host name can't be resolved",
    SecretReadable Lint "V0605" "everybody can read a file with a password",
    BadKey Error "V0607" "a key can't be read" -> "correct it: 32 to 64 bytes",
    BadCertificate Error "V0608" "a certificate or its key can't be read" -> "give it a file in PEM form",
    NotYet Warning "V0901" "a keyword is read but not acted on yet",
    Refused Error "V0902" "a keyword that would break the service if it were ignored is not supported yet" -> "take it out",
    Obsolete Lint "V0903" "a keyword has no use any more",
    OldSpelling Lint "V0904" "a keyword has a newer name",
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.id())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A place in a file, with the line itself, so that a finding can be shown without the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Span {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub col: u32,
    /// Length in characters, at least 1 unless the line is empty.
    pub len: u32,
    /// The source line; very long ones are cut to the neighbourhood of the place.
    pub source: String,
    /// Where `col` lies in `source`, in bytes: start and end.
    #[serde(skip)]
    pub(crate) range: (usize, usize),
    /// Where it was taken from.
    #[serde(skip)]
    pub(crate) origin: Origin,
}

/// The place of a span. Two spans are the same by what they show: a file may have been read twice.
#[derive(Clone, Copy, Eq, Debug)]
pub(crate) struct Origin(pub(crate) Place);

impl PartialEq for Origin {
    fn eq(&self, _: &Origin) -> bool {
        true
    }
}

/// A second place that a finding points at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Related {
    /// What is there.
    pub label: String,
    /// Where.
    pub span: Span,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Diagnostic {
    /// How bad.
    pub level: Level,
    /// Which kind; stable.
    pub code: Code,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to read under the place; may be empty.
    pub label: String,
    /// Where; `None` if it concerns no line (a file that can't be opened from the command line).
    pub span: Option<Span>,
    /// Other places that matter: where it was expanded, included, defined first.
    pub related: Vec<Related>,
    /// What to do.
    pub help: Vec<String>,
}

impl fmt::Display for Diagnostic {
    /// One line, as a log wants it: `FILE:LINE:COL: error[V0201]: message; help`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(span) = &self.span {
            write!(f, "{}:{}:{}: ", span.file, span.line, span.col)?;
        }
        write!(f, "{}[{}]: {}", self.level, self.code, self.message)?;
        for help in &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// A finding under construction, its places not yet looked up. Boxed: it travels as the error of many a `Result`.
#[must_use = "a report does nothing until it is pushed"]
pub(crate) struct Report(Box<Draft>);

struct Draft {
    level: Level,
    code: Code,
    message: String,
    label: String,
    place: Option<Place>,
    related: Vec<(String, Place)>,
    help: Vec<String>,
}

impl Report {
    fn new(level: Level, code: Code, place: Option<Place>, message: String) -> Report {
        let (label, related, help) = (String::new(), Vec::new(), Vec::new());
        Report(Box::new(Draft { level, code, message, label, place, related, help }))
    }

    pub(crate) fn error(code: Code, place: Place, message: impl Into<String>) -> Report {
        Report::new(Level::Error, code, Some(place), message.into())
    }

    pub(crate) fn warning(code: Code, place: Place, message: impl Into<String>) -> Report {
        Report::new(Level::Warning, code, Some(place), message.into())
    }

    pub(crate) fn lint(code: Code, place: Place, message: impl Into<String>) -> Report {
        Report::new(Level::Lint, code, Some(place), message.into())
    }

    /// A finding about no particular line.
    pub(crate) fn placeless(level: Level, code: Code, message: impl Into<String>) -> Report {
        Report::new(level, code, None, message.into())
    }

    pub(crate) fn at_level(mut self, level: Level) -> Report {
        self.0.level = level;
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Report {
        self.0.label = label.into();
        self
    }

    pub(crate) fn also(mut self, place: Place, label: impl Into<String>) -> Report {
        self.0.related.push((label.into(), place));
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Report {
        self.0.help.push(help.into());
        self
    }
}

/// Characters of a message at most.
const MAX_TEXT: usize = 500;

/// Text that may quote a hostile file: nothing in it moves a terminal's cursor or fills a log.
fn plain(text: String) -> String {
    if text.len() <= MAX_TEXT && !text.contains(char::is_control) {
        return text;
    }
    let cut = text.chars().count() > MAX_TEXT;
    let shown = text.chars().take(MAX_TEXT).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    shown.chain(cut.then_some('\u{2026}')).collect()
}

/// As much of a text as will be shown, and so much more that a secret at its end is known for one.
fn begun(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT + PART) {
        text.truncate(end);
        text.shrink_to_fit();
    }
    text
}

/// Errors kept at most, and others as many; a file that draws more is a different kind of file.
const KEPT: usize = 500;
/// Levels of "expanded here" and "included here" that are shown.
const TRACE: usize = 4;

/// The sources and what was found in them, handed through all stages.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) map: Map,
    pub(crate) list: Vec<Diagnostic>,
    /// How many were not kept.
    pub(crate) dropped: usize,
    errors: usize,
    kept_errors: usize,
    kept_others: usize,
    /// Where something could not be resolved, which was told: what stands there now is nobody's mistake.
    doubtful: HashMap<(u32, u32), Vec<(u32, u32)>>,
}

impl Findings {
    pub(crate) fn push(&mut self, report: Report) {
        let report = *report.0;
        if report.place.is_some_and(|place| self.doubts(place)) {
            return;
        }
        if report.level == Level::Error {
            self.errors += 1;
        }
        // Errors and the rest each have their share, so that a thousand lints don't hide the one error.
        let share = if report.level == Level::Error { &mut self.kept_errors } else { &mut self.kept_others };
        if *share >= KEPT {
            self.dropped += 1;
            return;
        }
        *share += 1;
        let mut related: Vec<Related> = report
            .related
            .iter()
            .filter_map(|(label, place)| Some(Related { label: label.clone(), span: self.map.span(*place)? }))
            .collect();
        if let Some(place) = report.place {
            let trace = self.map.trace(place, TRACE);
            for (label, place) in trace {
                let found = self.map.span(place).map(|span| Related { label: label.to_owned(), span });
                related.extend(found.filter(|f| !related.contains(f)));
            }
        }
        // Nobody is left alone with an error.
        let lost = report.level == Level::Error && report.help.is_empty();
        let advice = report.code.advice().filter(|_| lost).map(str::to_owned);
        let diagnostic = Diagnostic {
            level: report.level,
            code: report.code,
            message: begun(report.message),
            label: begun(report.label),
            span: report.place.and_then(|p| self.map.span(p)),
            related,
            help: report.help.into_iter().chain(advice).map(begun).collect(),
        };
        // The same line may be replayed (a sequence, a definition used twice): say it once.
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// Makes everything that was found fit to be seen, without what is secret: all of it is known once all is read.
    pub(crate) fn conceal(&mut self) {
        if self.list.is_empty() {
            return;
        }
        let Map { files, secrets, .. } = &mut self.map;
        secrets.look(files);
        for found in &mut self.list {
            let Diagnostic { level: _, code: _, message, label, span: _, related, help } = found;
            let labels = related.iter_mut().map(|related| &mut related.label);
            for text in [message, label].into_iter().chain(help).chain(labels) {
                *text = plain(self.map.secrets.text(text));
            }
            for span in found.span.iter_mut().chain(found.related.iter_mut().map(|related| &mut related.span)) {
                self.map.excerpt(span);
            }
        }
    }

    /// From now on nothing is said about what stands at that place.
    pub(crate) fn doubt(&mut self, place: Place) {
        if !self.full(Level::Error) {
            self.doubtful.entry((place.file, place.line)).or_default().push((place.col, place.col + place.len));
        }
    }

    fn doubts(&self, place: Place) -> bool {
        let columns = self.doubtful.get(&(place.file, place.line)).map(Vec::as_slice).unwrap_or_default();
        columns.iter().any(|(from, to)| place.col < *to && *from < place.col + place.len.max(1))
    }

    /// Whether further findings of that level are only counted: no need to think up a suggestion.
    pub(crate) fn full(&self, level: Level) -> bool {
        (if level == Level::Error { self.kept_errors } else { self.kept_others }) >= KEPT
    }

    /// How many there are, those not kept included.
    pub(crate) fn count(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// Whether the configuration can't be used.
    pub(crate) fn failed(&self) -> bool {
        self.errors > 0
    }
}
