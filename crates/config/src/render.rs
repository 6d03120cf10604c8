//! Findings as people see them on a terminal, and, in `sarif`, as other programs read them.

mod sarif;

use crate::Loaded;
use crate::diag::{Diagnostic, Level as Severity, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
pub use sarif::render_sarif;

/// Whether the text goes to something that shows colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Color {
    /// No.
    #[default]
    Never,
    /// Yes.
    Always,
}

/// Findings printed at most; the rest is counted.
const SHOWN: usize = 100;

/// All findings, and a last line that counts them. Empty if there are none.
pub fn render_text(loaded: &Loaded, color: Color) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let mut out = String::new();
    for diagnostic in chosen(&loaded.diagnostics) {
        out.push_str(&renderer.render(&[group(diagnostic)]));
        out.push_str("\n\n");
    }
    let hidden = loaded.diagnostics.len().saturating_sub(SHOWN) + loaded.unkept;
    if hidden > 0 {
        out.push_str(&format!("and {hidden} more\n"));
    }
    if let Some(summary) = summary(loaded) {
        out.push_str(&summary);
        out.push('\n');
    }
    out
}

/// As many as are shown, the worst if there are more, in their order.
fn chosen(all: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|i| all[*i].level); // stable
    order.truncate(SHOWN);
    order.sort_unstable();
    order.into_iter().map(|i| &all[i]).collect()
}

/// `2 errors, 1 warning`; `None` if there is nothing to count.
pub fn summary(loaded: &Loaded) -> Option<String> {
    let count = |level| loaded.diagnostics.iter().filter(|d| d.level == level).count();
    let named = |n: usize, name: &str| match n {
        0 => None,
        1 => Some(format!("1 {name}")),
        n => Some(format!("{n} {name}s")),
    };
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Lint]
        .into_iter()
        .filter_map(|level| named(count(level), &level.to_string()))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.level {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Lint => Level::NOTE.with_name("lint"),
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.id()));
    if let Some(span) = &diagnostic.span {
        group = group.element(snippet(span, AnnotationKind::Primary, &diagnostic.label));
    }
    for related in &diagnostic.related {
        group = group.element(snippet(&related.span, AnnotationKind::Context, &related.label));
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

fn snippet<'a>(span: &'a Span, kind: AnnotationKind, label: &'a str) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let annotation = kind.span(span.range.0..span.range.1);
    let annotation = if label.is_empty() { annotation } else { annotation.label(label) };
    Snippet::source(span.source.as_str()).line_start(span.line as usize).path(span.file.as_str()).annotation(annotation)
}
