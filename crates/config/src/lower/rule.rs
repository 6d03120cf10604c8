//! One line of `virtual_rules` or `static_rules`.

use super::iproute::Names;
use super::route::{Said, guard};
use super::{Lower, narrow};
use crate::diag::{Code, Report};
use crate::form;
use crate::keyword::Block;
use crate::lex::words::Line;
use crate::routing::{Action, Network, Rule};
use crate::setting::Value;
use crate::tree::line_options;
use std::collections::HashMap;
use vipd_vrrp::settings::Family;

/// The preference of the first rule without one.
const FIRST: u32 = 16_384;

/// The preferences of rules without one: they count down for each family, in the order of the file.
#[derive(Default)]
pub(super) struct Preferences(HashMap<Family, u32>);

impl Preferences {
    fn next(&mut self, family: Family) -> u32 {
        let next = self.0.entry(family).or_insert(FIRST);
        let preference = *next;
        *next = next.saturating_sub(1);
        preference
    }
}

/// Words that say what a rule does.
const ACTIONS: [&str; 9] = ["table", "lookup", "l3mdev", "goto", "nop", "blackhole", "unreachable", "prohibit", "type"];

/// What only a rule that looks up a table can have.
const OF_LOOKUPS: [&str; 5] = ["realms", "suppress_prefixlength", "sup_pl", "suppress_ifgroup", "sup_group"];

impl Lower<'_> {
    /// The rule on a line; `None` if it can't be used, which was told.
    pub(super) fn rule(
        &mut self,
        keyword: &str,
        block: &'static Block,
        line: &Line,
        preferences: &mut Preferences,
    ) -> Option<Rule> {
        // What is wrong with a single word was told when the file was read.
        let options = line_options(keyword, block, &line.words).ok()?;
        let said = Said { options: &options, words: &line.words };
        let (family, from, to) = self.ends(said)?;
        let given = said.number(&["preference", "order", "priority"]);
        let action = self.action(said, given)?;
        if !matches!(action, Action::Lookup(_))
            && let Some(word) = OF_LOOKUPS.into_iter().find(|word| said.has(word))
        {
            let message = format!("`{word}` is for rules that look up a table");
            self.push(Report::error(Code::BadWord, said.at(word), message));
            return None;
        }
        let realms = match said.last(&["realms"]) {
            Some(_) if family == Family::V6 => {
                self.push(Report::error(Code::WrongFamily, said.at("realms"), "`realms` are for IPv4"));
                return None;
            }
            Some((_, value)) => self.realms(value, said.at("realms"))?,
            None => 0,
        };
        let preference = given.unwrap_or_else(|| {
            let preference = preferences.next(family);
            let report = Report::warning(Code::Adjusted, line.at(), format!("this rule gets priority {preference}"));
            self.push(report.help("say which: another order of the file would give it another one"));
            preference
        });
        Some(Rule {
            family,
            preference,
            not: said.has("not"),
            from,
            to,
            tos: narrow(self.tos(said)?.into()),
            mark: said.last(&["fwmark"]).and_then(|(_, value)| mark(value)),
            input: said.text(&["iif", "dev"]),
            output: said.text(&["oif"]),
            tunnel: said.number(&["tunnel-id"]).unwrap_or(0),
            users: range(said, "uidrange"),
            ip_protocol: match said.last(&["ipproto"]) {
                Some((_, value)) => narrow(self.named(Names::IpProtocols, value, said.at("ipproto"))?.into()),
                None => 0,
            },
            sports: range(said, "sport").map(ports),
            dports: range(said, "dport").map(ports),
            protocol: self.maker(said)?,
            action,
            realms,
            suppress_length: said.number(&["suppress_prefixlength", "sup_pl"]),
            suppress_group: match said.last(&["suppress_ifgroup", "sup_group"]) {
                Some((word, value)) => Some(self.named(Names::Groups, value, said.at(word))?),
                None => None,
            },
            guard: guard(said),
        })
    }

    /// Family, `from` and `to`.
    fn ends(&mut self, said: Said<'_>) -> Option<(Family, Option<Network>, Option<Network>)> {
        let network = |name| match said.last(&[name]) {
            Some((_, Value::Network(address, length))) => Some((*address, *length)),
            _ => None,
        };
        let (from, to) = (network("from"), network("to"));
        let forced = match said.last(&["inet", "inet6"]) {
            Some(("inet", _)) => Some(Family::V4),
            Some(_) => Some(Family::V6),
            None => None,
        };
        let families = [from, to].into_iter().flatten().map(|(address, _)| Family::of(address));
        let families: Vec<Family> = forced.into_iter().chain(families).collect();
        let family = families.first().copied().unwrap_or(Family::V4);
        if families.iter().any(|other| *other != family) {
            self.push(Report::error(Code::WrongFamily, said.at(""), "this rule has addresses of both families"));
            return None;
        }
        let narrows = |(_, length): &Network| *length > 0;
        Some((family, from.filter(narrows), to.filter(narrows)))
    }

    fn action(&mut self, said: Said<'_>, preference: Option<u32>) -> Option<Action> {
        let said_of = |(name, value): &(&'static str, Value)| match value {
            // `type blackhole`
            Value::Text(word) if *name == "type" => ACTIONS.into_iter().find(|known| known == word).unwrap_or("type"),
            _ => name,
        };
        let words: Vec<(&str, &Value)> = said.options.iter().map(|o| (said_of(o), &o.1)).collect();
        let mut actions = words.iter().filter(|(name, _)| ACTIONS.contains(name));
        let Some((word, value)) = actions.next().copied() else {
            let report = Report::error(Code::Missing, said.at(""), "this rule says nothing of what is to be done");
            self.push(report.help("lookup TABLE, l3mdev, goto PRIORITY, nop, blackhole, unreachable or prohibit"));
            return None;
        };
        if let Some((second, _)) = actions.next() {
            let report = Report::error(Code::Repeated, said.at(second), "a rule does one thing");
            self.push(report.also(said.at(word), "already said here"));
            return None;
        }
        match word {
            "table" | "lookup" => match self.named(Names::Tables, value, said.at(word))? {
                0 => {
                    self.push(Report::error(Code::OutOfRange, said.at(word), "there is no table 0"));
                    None
                }
                table => Some(Action::Lookup(table)),
            },
            "l3mdev" => Some(Action::L3mdev),
            "goto" => {
                let to = said.number(&["goto"])?;
                if preference.is_none_or(|own| to <= own) {
                    let report = Report::error(Code::OutOfRange, said.at("goto"), "`goto` leads to a later rule");
                    self.push(report.help("a `priority` of its own that is less than that"));
                    return None;
                }
                Some(Action::Goto(to))
            }
            "nop" => Some(Action::Nop),
            "blackhole" => Some(Action::Blackhole),
            "unreachable" => Some(Action::Unreachable),
            "prohibit" => Some(Action::Prohibit),
            _ => {
                let message = "no rule has an action of this name";
                let report = Report::error(Code::BadWord, said.at("type"), message);
                self.push(report.help("one of: blackhole, unreachable, prohibit, nop"));
                None
            }
        }
    }
}

/// `MARK[/MASK]`; of a mark without a mask all bits count.
fn mark(value: &Value) -> Option<(u32, u32)> {
    let Value::Text(text) = value else { return None };
    let number = |text| u32::try_from(form::number(text)?).ok();
    match text.split_once('/') {
        Some((mark, mask)) => Some((number(mark)?, number(mask)?)).filter(|(_, mask)| *mask != 0),
        // The kernel's own default.
        None => Some((number(text)?, u32::MAX)).filter(|(mark, _)| *mark != 0),
    }
}

/// `START-END`, or one number for both.
fn range(said: Said<'_>, name: &str) -> Option<(u32, u32)> {
    let text = said.text(&[name])?;
    let (first, last) = text.split_once('-').unwrap_or((&text, &text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn ports((first, last): (u32, u32)) -> (u16, u16) {
    (narrow(first.into()), narrow(last.into()))
}
