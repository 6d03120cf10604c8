//! What the fuzz targets share: a bound on memory, and what must hold of findings whatever the text is. The bound on time
//! is libFuzzer's (`-timeout`, tools/fuzz).

pub mod adverts;

use cap::Cap;
use std::alloc::System;
use vipd_config::diag::Diagnostic;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes that any text may take, however short it is.
const ALLOWED: usize = 64 << 20;

/// Does it with 64 MiB and ten times the text; the allocation beyond that ends the process.
///
/// # Panics
/// If the limit can't be set.
pub fn bounded<T>(text: &[u8], work: impl FnOnce() -> T) -> T {
    let limit = HEAP.allocated() + ALLOWED + 10 * text.len();
    HEAP.set_limit(limit).expect("what is in use is below the limit");
    let result = work();
    HEAP.set_limit(usize::MAX).expect("no limit");
    result
}

/// Asserts that findings are countable, and that their places lie within the text.
///
/// # Panics
/// If one does not.
pub fn located(text: &[u8], findings: &[Diagnostic]) {
    assert!(findings.len() <= 1000, "{} findings", findings.len());
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    for finding in findings {
        let related = finding.related.iter().map(|r| &r.span);
        for span in finding.span.iter().chain(related) {
            let line = lines.get((span.line as usize).wrapping_sub(1));
            let line = line.unwrap_or_else(|| panic!("no such line: {finding:?}"));
            let end = span.col as usize + span.len as usize;
            assert!(span.col >= 1 && end <= line.len() + 1, "beyond the end: {finding:?}");
            if let Ok(line) = std::str::from_utf8(line) {
                assert!(shows(line, &span.source), "not the line: {finding:?}");
                assert!(end <= line.chars().count() + 1, "beyond the end: {finding:?}");
            }
        }
    }
}

/// Whether an excerpt is of this line: the same characters, but for the stars in place of a password.
fn shows(line: &str, excerpt: &str) -> bool {
    let same = |(a, b): (&char, &char)| a == b || *b == '*';
    let (line, excerpt): (Vec<char>, Vec<char>) = (line.chars().collect(), excerpt.chars().collect());
    excerpt.is_empty() || line.windows(excerpt.len()).any(|window| window.iter().zip(&excerpt).all(same))
}
