//! A status as an operator reads it: who is up, since when, why, and what is wrong, in that order.

use super::table::{Cell, Colour, Page, Table, Tint};
use std::time::{Duration, UNIX_EPOCH};
use vipd_api::{
    AddressStatus, CheckStatus, HeartbeatStatus, HookStatus, InstanceStatus, OrderStatus, PathStatus, PlaceStatus,
    RealServerStatus, ServiceStatus, StaleStatus, StaticStatus, Status, TrackStatus, TransitionStatus, UnixTime,
    UnknownServerStatus, UnsentStatus, VERSION,
};

/// How much to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Depth {
    /// What fits a terminal: of many addresses, those that are not as they should be.
    Brief,
    /// All addresses, all checks, the last transitions.
    Full,
}

/// Addresses of an instance that a brief page lists one by one.
const ADDRESSES: usize = 16;

/// The whole page, as of `now`.
pub(super) fn page(status: &Status, now: UnixTime, depth: Depth, colour: Colour) -> String {
    let mut page = Page::new(colour);
    head(&mut page, status, now);
    roles(&mut page, status, now);
    instances(&mut page, status, now, depth);
    statics(&mut page, status, depth);
    groups(&mut page, status);
    scripts(&mut page, status);
    sessions(&mut page, status, now, depth);
    hooks(&mut page, status, now, depth);
    services(&mut page, status, now, depth);
    page.text()
}

fn head(page: &mut Page, status: &Status, now: UnixTime) {
    page.line(
        0,
        &[
            Cell::new(&status.program, Tint::Head),
            format!("on {}: pid {}, up {}", status.router_id, status.pid, span(now - status.started)).into(),
        ],
    );
    let config = &status.config;
    let mut loaded = format!("loaded {} ago ({})", span(now - config.loaded), date(config.loaded));
    if config.reloads > 0 {
        loaded += &format!(", {}", count(config.reloads, "reload"));
    }
    let mut line = vec![Cell::from(format!("configuration {}, {loaded}", config.file))];
    if config.warnings > 0 {
        line.push(Cell::new(format!("with {}", count(config.warnings as u64, "warning")), Tint::Warn));
    }
    page.line(0, &line);
    if let Some(at) = config.next_reload {
        page.line(0, &[format!("the next timed reload is in {} ({})", span(at - now), date(at)).into()]);
    }
    if status.version > VERSION {
        let newer = format!("the daemon is newer than this program (status version {} > {VERSION})", status.version);
        page.line(0, &[Cell::new(newer, Tint::Warn), "and may know more than is shown here".into()]);
    }
    if let Some(refused) = &config.refused {
        page.gap();
        let when = format!("RELOAD REFUSED {} ago", span(now - refused.at));
        let rest = format!("({}); what was loaded before stays in force:", date(refused.at));
        page.line(0, &[Cell::new(when, Tint::Bad), rest.into()]);
        for line in refused.errors.trim_end().lines() {
            // Blanks in front show columns: they stay.
            let text = line.trim_start();
            if text.is_empty() {
                page.gap();
            } else {
                page.line(4 + line.len() - text.len(), &[text.into()]);
            }
        }
    }
}

fn title(page: &mut Page, title: &str) {
    page.gap();
    page.line(0, &[Cell::new(title, Tint::Head)]);
}

fn roles(page: &mut Page, status: &Status, now: UnixTime) {
    if status.roles.is_empty() {
        return;
    }
    title(page, "Processes");
    let mut table = Table::new(2, &["NAME", "PID", "UP", "RESTARTS", "LAST RESTART"]);
    for role in &status.roles {
        let (pid, up) = match role.pid {
            0 => (Cell::new("-", Tint::Bad), Cell::new("not running", Tint::Bad)),
            pid => (pid.to_string().into(), span(now - role.started).into()),
        };
        let tint = if role.restarts > 0 { Tint::Warn } else { Tint::Plain };
        let restarts = Cell::new(role.restarts.to_string(), tint);
        table.row(vec![(&role.name).into(), pid, up, restarts, role.why.as_deref().unwrap_or("").into()]);
    }
    page.table(table);
}

fn instances(page: &mut Page, status: &Status, now: UnixTime, depth: Depth) {
    if status.instances.is_empty() {
        return;
    }
    title(page, "Virtual routers");
    let mut table = Table::new(2, &["NAME", "STATE", "SINCE", "VRID", "IFACE", "PRIO/BASE", "MASTER", "WHY"]);
    for instance in &status.instances {
        let priority = format!("{}/{}", instance.priority, instance.base_priority);
        let tint = if instance.priority == instance.base_priority { Tint::Plain } else { Tint::Warn };
        table.row(vec![
            (&instance.name).into(),
            state(&instance.state),
            span(now - instance.since).into(),
            instance.vrid.to_string().into(),
            match &instance.vrf {
                Some(vrf) => format!("vrf {vrf}").into(),
                None if instance.interface.is_empty() => "any".into(),
                None => (&instance.interface).into(),
            },
            Cell::new(priority, tint),
            master(instance).into(),
            (&instance.why).into(),
        ]);
        for fault in &instance.faults {
            table.note(vec![Cell::new("fault:", Tint::Bad), fault.into()]);
        }
        if instance.handed_over {
            let what = format!("leaves whoever serves in peace until `vipd switchover --undo {}`", instance.name);
            table.note(vec![Cell::new("handed over:", Tint::Warn), what.into()]);
        }
        if !instance.waits_for.is_empty() {
            let awaited = instance.waits_for.join("; ");
            table.note(vec![Cell::new("would be MASTER, and waits for", Tint::Warn), awaited.into()]);
        }
        if let Some(unsent) = &instance.unsent {
            table.note(vec![Cell::new(not_leaving(instance, unsent, now), Tint::Bad), (&unsent.why).into()]);
        }
        if let Some(other) = &instance.second_master {
            let span = span(now - other.since);
            let what = format!(
                "{} with priority {} serves, too, since {span} ({} heard)",
                other.address,
                other.priority,
                count(other.adverts, "advert")
            );
            table.note(vec![Cell::new("two masters:", Tint::Bad), what.into()]);
        }
        for way in &instance.heartbeats {
            table.note(heartbeat(way, now));
        }
        for track in instance.tracks.iter().filter(|t| depth == Depth::Full || t.adds != 0) {
            table.note(tracked(track));
        }
        holdings(&mut table, instance, depth);
        table.note(vec![Cell::new(particulars(instance), Tint::Faint)]);
        rejects(&mut table, &instance.counters.rejected);
        if depth == Depth::Full {
            history(&mut table, &instance.history, now);
        }
    }
    page.table(table);
    if !status.vrrp_rejected.is_empty() {
        let packets = "packets for no virtual router here:".into();
        page.line(4, &[packets, counted(&status.vrrp_rejected).into()]);
    }
}

fn state(word: &str) -> Cell {
    let tint = match word {
        "MASTER" | "Up" | "up" | "good" => Tint::Good,
        "FAULT" | "UNKNOWN" | "Down" | "AdminDown" | "down" | "bad" => Tint::Bad,
        "INIT" | "Init" | "unknown" => Tint::Warn,
        _ => Tint::Plain,
    };
    Cell::new(word, tint)
}

fn is_master(instance: &InstanceStatus) -> bool {
    instance.state == "MASTER"
}

fn master(instance: &InstanceStatus) -> String {
    match (instance.master, instance.master_priority) {
        (Some(address), _) if is_master(instance) => format!("{address} (this host)"),
        (Some(address), Some(priority)) => format!("{address} (prio {priority})"),
        (Some(address), None) => address.to_string(),
        (None, _) => String::new(),
    }
}

/// `no advert leaves since 12 s:`
fn not_leaving(instance: &InstanceStatus, unsent: &UnsentStatus, now: UnixTime) -> String {
    let what = if unsent.none_leaves { "no advert leaves" } else { "not every advert leaves" };
    let by = if instance.heartbeats.is_empty() { "" } else { " by its own interface" };
    format!("{what}{by} since {}:", span(now - unsent.since))
}

/// `path eth1: silent for 12 s, though the master is heard by another; 7 in, 0 out`
fn heartbeat(way: &HeartbeatStatus, now: UnixTime) -> Vec<Cell> {
    let heard = way.heard.map(|at| format!("heard {} ago", span(now - at)));
    let stands = match (&way.problem, way.silent) {
        (Some(why), _) => Cell::new(why, Tint::Bad),
        (None, Some(since)) => {
            let silent = format!("silent for {}, though the master is heard by another", span(now - since));
            Cell::new(silent, Tint::Bad)
        }
        (None, None) => heard.unwrap_or_else(|| "nobody heard".to_owned()).into(),
    };
    let mut counts = format!("({} in, {} out", way.received, way.sent);
    for (n, what) in [(way.unsent, "not sent"), (way.rejected, "not admitted")] {
        if n > 0 {
            counts += &format!(", {n} {what}");
        }
    }
    vec![format!("path {}:", way.path).into(), stands, (counts + ")").into()]
}

/// `tracks script chk: bad, adds -20`
fn tracked(track: &TrackStatus) -> Vec<Cell> {
    let running = track.running.map(|n| format!(" ({n} running)")).unwrap_or_default();
    let says = format!("tracks {} {}: {}{running},", track.kind, track.name, track.state);
    let does = match (track.fault, track.adds) {
        (true, _) => Cell::new("FAULT", Tint::Bad),
        (false, 0) => "adds nothing".into(),
        (false, n) => Cell::new(format!("adds {n}"), if n < 0 { Tint::Warn } else { Tint::Plain }),
    };
    vec![says.into(), does]
}

/// An address, route or rule, and whether it is here.
type Here = (String, bool);

/// What an instance holds, or would as MASTER.
fn holdings(table: &mut Table, instance: &InstanceStatus, depth: Depth) {
    let (routes, rules) = (paths("route", &instance.routes), paths("rule", &instance.rules));
    for (what, all) in [("addresses", addresses(&instance.addresses)), ("routes", routes), ("rules", rules)] {
        held(what, &all, is_master(instance), depth).into_iter().for_each(|line| table.note(line));
    }
}

fn addresses(all: &[AddressStatus]) -> Vec<Here> {
    all.iter().map(|a| (a.address.clone(), a.present)).collect()
}

fn paths(kind: &str, all: &[PathStatus]) -> Vec<Here> {
    all.iter().map(|p| (format!("{kind} {}", p.path), p.present)).collect()
}

/// A line for each, or a summary and a line for each that is not as it should be.
fn held(what: &str, all: &[Here], wanted: bool, depth: Depth) -> Vec<Vec<Cell>> {
    if depth == Depth::Full || all.len() <= ADDRESSES {
        return all.iter().map(|one| here(one, wanted)).collect();
    }
    let present = all.iter().filter(|(_, present)| *present).count();
    let mut lines = vec![vec![format!("{} {what}, {present} here", all.len()).into()]];
    let odd: Vec<&Here> = all.iter().filter(|(_, present)| *present != wanted).collect();
    lines.extend(odd.iter().take(ADDRESSES).map(|one| here(one, wanted)));
    if odd.len() > ADDRESSES {
        lines.push(vec![format!("and {} more of that kind", odd.len() - ADDRESSES).into()]);
    }
    lines
}

fn here((text, present): &Here, wanted: bool) -> Vec<Cell> {
    match (present, wanted) {
        (true, true) => vec![Cell::new("+", Tint::Good), text.into()],
        (false, false) => vec!["-".into(), text.into()],
        (false, true) => vec![Cell::new("-", Tint::Bad), text.into(), Cell::new("MISSING here", Tint::Bad)],
        (true, false) => {
            vec![Cell::new("+", Tint::Bad), text.into(), Cell::new("here, though this router is not MASTER", Tint::Bad)]
        }
    }
}

/// What is there whoever is MASTER.
fn statics(page: &mut Page, status: &Status, depth: Depth) {
    let StaticStatus { addresses: own, routes, rules, restored } = &status.statics;
    let all = [("addresses", addresses(own)), ("routes", paths("route", routes)), ("rules", paths("rule", rules))];
    if all.iter().all(|(_, all)| all.is_empty()) {
        return;
    }
    title(page, "Static");
    for (what, all) in all {
        held(what, &all, true, depth).iter().for_each(|line| page.line(2, line));
    }
    if *restored > 0 {
        page.line(2, &[Cell::new(format!("{} restored", count(*restored, "route or rule")), Tint::Faint)]);
    }
}

fn particulars(instance: &InstanceStatus) -> String {
    let counters = &instance.counters;
    let mut text = format!("VRRP version {}", instance.version);
    if let Some(group) = &instance.group {
        text += &format!(", group {group}");
    }
    if let Some(sum) = instance.checksum_heard.as_ref().filter(|sum| *sum != "with pseudo-header") {
        text += &format!(", heard checksums {sum}");
    }
    for device in &instance.devices {
        text += &format!(", {} upon {}", device.name, device.base);
        text += &device.mac.as_ref().map(|mac| format!(" with {mac}")).unwrap_or_default();
    }
    text += &format!(", adverts {} in {} out", counters.adverts_received, counters.adverts_sent);
    if counters.adverts_partly_sent > 0 {
        text += &format!(" ({} not to all peers)", counters.adverts_partly_sent);
    }
    if counters.adverts_unsent > 0 {
        text += &format!(", {} not sent", counters.adverts_unsent);
    }
    text += &format!(", became master {}", count(counters.became_master, "time"));
    if counters.two_masters > 0 {
        text += &format!(", beside a second master {}", count(counters.two_masters, "time"));
    }
    if counters.stalled > 0 {
        text += &format!(", stalled {}", count(counters.stalled, "time"));
    }
    if counters.devices_restored > 0 {
        text += &format!(", {} made again", count(counters.devices_restored, "interface"));
    }
    if counters.addresses_restored > 0 {
        text += &format!(", {} restored", count(counters.addresses_restored, "address"));
    }
    if counters.paths_restored > 0 {
        text += &format!(", {} restored", count(counters.paths_restored, "route or rule"));
    }
    if let Some(next) = &instance.next {
        text += &format!("; {} in {}", next.why, fine(next.in_secs));
    }
    text
}

fn rejects(table: &mut Table, rejected: &[(String, u64)]) {
    let rejected = counted(rejected);
    if !rejected.is_empty() {
        table.note(vec![Cell::new("not admitted:", Tint::Warn), rejected.into()]);
    }
}

/// `3 ttl, 1 version`
fn counted(reasons: &[(String, u64)]) -> String {
    let reasons = reasons.iter().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{n} {why}"));
    reasons.collect::<Vec<_>>().join(", ")
}

fn history(table: &mut Table, changes: &[TransitionStatus], now: UnixTime) {
    for change in changes {
        let when = format!("{} ago:", span(now - change.at));
        table.note(vec![when.into(), format!("{} -> {}: {}", change.from, change.to, change.why).into()]);
    }
}

fn groups(page: &mut Page, status: &Status) {
    if status.groups.is_empty() {
        return;
    }
    title(page, "Sync groups");
    let mut table = Table::new(2, &["NAME", "STATE", "MEMBERS"]);
    for group in &status.groups {
        table.row(vec![(&group.name).into(), state(&group.state), group.members.join(" ").into()]);
    }
    page.table(table);
}

/// The last script of each subject, and what runs or waits; of all that are remembered, those that failed are news.
fn hooks(page: &mut Page, status: &Status, now: UnixTime, depth: Depth) {
    let told: Vec<&HookStatus> = status.hooks.iter().filter(|h| h.running.is_some() || !h.recent.is_empty()).collect();
    if told.is_empty() {
        return;
    }
    title(page, "Notify scripts");
    let mut table = Table::new(2, &["OF", "EVENT", "BEGAN", "TOOK", "ENDED", "SCRIPT"]);
    for hook in told {
        let brief = hook.recent.len().saturating_sub(1);
        let shown = if depth == Depth::Full { 0 } else { brief };
        for run in &hook.recent[shown..] {
            table.row(vec![
                (&hook.subject).into(),
                (&run.event).into(),
                format!("{} ago", span(now - run.began)).into(),
                fine(run.took).into(),
                Cell::new(&run.ended, if run.well { Tint::Good } else { Tint::Bad }),
                (&run.script).into(),
            ]);
        }
        if let Some(running) = &hook.running {
            table.row(vec![
                (&hook.subject).into(),
                (&running.event).into(),
                format!("{} ago", span(now - running.since)).into(),
                "".into(),
                Cell::new("runs", Tint::Warn),
                (&running.script).into(),
            ]);
        }
        if !hook.waiting.is_empty() {
            table.note(vec![Cell::new("waiting:", Tint::Warn), hook.waiting.join(", ").into()]);
        }
        if hook.superseded > 0 {
            let told = format!("{} not run: a newer one came before", count(hook.superseded, "event"));
            table.note(vec![Cell::new(told, Tint::Faint)]);
        }
    }
    page.table(table);
}

fn sessions(page: &mut Page, status: &Status, now: UnixTime, depth: Depth) {
    if status.bfd.is_empty() {
        return;
    }
    title(page, "BFD sessions");
    let mut table =
        Table::new(2, &["NAME", "STATE", "SINCE", "NEIGHBOUR", "ITS STATE", "INTERVAL", "DETECTION", "WHY"]);
    for session in &status.bfd {
        let seconds = |time: Option<f64>| time.map(fine).unwrap_or_default();
        table.row(vec![
            (&session.name).into(),
            state(&session.state),
            span(now - session.since).into(),
            session.neighbour.map(|a| a.to_string()).unwrap_or_default().into(),
            session.peer_state.as_deref().unwrap_or_default().into(),
            seconds(session.interval).into(),
            seconds(session.detection_time).into(),
            (&session.why).into(),
        ]);
        if let Some(problem) = &session.problem {
            table.note(vec![Cell::new("can't send:", Tint::Bad), problem.into()]);
        }
        let counters = &session.counters;
        let (received, sent) = (counters.packets_received, counters.packets_sent);
        let came_up = count(counters.became_up, "time");
        let mut text = format!("packets {received} in {sent} out, came up {came_up}");
        if let Some(next) = &session.next {
            text += &format!("; {} in {}", next.why, fine(next.in_secs));
        }
        table.note(vec![Cell::new(text, Tint::Faint)]);
        rejects(&mut table, &counters.rejected);
        if depth == Depth::Full {
            history(&mut table, &session.history, now);
        }
    }
    page.table(table);
    if !status.bfd_rejected.is_empty() {
        let packets = Cell::new("packets for no session:", Tint::Warn);
        page.line(4, &[packets, counted(&status.bfd_rejected).into()]);
    }
}

fn scripts(page: &mut Page, status: &Status) {
    if status.scripts.is_empty() {
        return;
    }
    title(page, "Tracked scripts");
    let mut table = Table::new(2, &["NAME", "STATE", "LAST RUN"]);
    for script in &status.scripts {
        let last = script.last.as_deref().unwrap_or("has not run yet");
        table.row(vec![(&script.name).into(), state(&script.state), last.into()]);
    }
    page.table(table);
}

fn services(page: &mut Page, status: &Status, now: UnixTime, depth: Depth) {
    if let Some(plane) = &status.plane {
        title(page, "Data plane");
        let tint = if plane.name == "absent" { Tint::Bad } else { Tint::Good };
        page.line(2, &[Cell::new(&plane.name, tint), (&plane.detail).into()]);
        if plane.foreign_edits > 0 {
            let edits = count(plane.foreign_edits, "edit");
            page.line(2, &[Cell::new(format!("{edits} by somebody else undone"), Tint::Warn)]);
        }
        if plane.failed_writes > 0 {
            let writes = count(plane.failed_writes, "write");
            page.line(2, &[Cell::new(format!("the kernel refused {writes}; the log says which"), Tint::Bad)]);
        }
    }
    if status.services.is_empty() {
        return;
    }
    title(page, "Virtual servers");
    for service in &status.services {
        virtual_server(page, service, now, depth);
    }
}

fn virtual_server(page: &mut Page, service: &ServiceStatus, now: UnixTime, depth: Depth) {
    if !service.unknown_servers.is_empty() {
        unknown_server(page, service, now, depth);
        return;
    }
    let scheduling = format!("{}, live weight {}, quorum {}", service.scheduler, service.live_weight, service.quorum);
    let mut line = vec![Cell::new(&service.name, Tint::Head), state(&service.state), scheduling.into()];
    if let Some(sorry) = service.sorry {
        line.push(match service.sorry_active {
            true => Cell::new(format!("(sorry server {sorry} SERVES)"), Tint::Warn),
            false => format!("(sorry server {sorry} waits)").into(),
        });
    }
    page.line(2, &line);
    let traffic = format!(
        "{} connections, packets {} in {} out, bytes {} in {} out",
        large(service.connections),
        large(service.packets.0),
        large(service.packets.1),
        large(service.bytes.0),
        large(service.bytes.1)
    );
    page.line(4, &[Cell::new(traffic, Tint::Faint)]);
    for removed in &service.removed_servers {
        let line = format!("{} is left out: {}", removed.address, order(&removed.order, now));
        page.line(4, &[Cell::new(line, Tint::Warn)]);
    }
    for place in &service.found_at {
        page.line(4, &place_line(place, now));
    }
    if service.real_servers.is_empty() {
        page.line(4, &[Cell::new("no real servers", Tint::Warn)]);
        return;
    }
    let head = &["REAL SERVER", "FWD", "STATE", "SINCE", "WEIGHT", "ACTIVE", "INACTIVE", "CONNS", "LAST CHECK", "WHY"];
    let mut table = Table::new(4, head);
    for server in &service.real_servers {
        table.row(vec![
            (&server.address).into(),
            (&server.forwarding).into(),
            state(if server.alive { "up" } else { "down" }),
            span(now - server.since).into(),
            weight(server),
            large(server.active_connections).into(),
            large(server.inactive_connections).into(),
            large(server.connections).into(),
            last_check(&server.checks, now).into(),
            (&server.why).into(),
        ]);
        if let Some(ordered) = &server.order {
            table.note(vec![Cell::new(order(ordered, now), Tint::Warn)]);
        }
        if let Some(found) = &server.found {
            let line = format!("from {} since {}", found.from, span(now - found.since));
            table.note(vec![Cell::new(line, Tint::Faint)]);
        }
        probes(&mut table, &server.checks, now, depth);
    }
    page.table(table);
}

/// A place where real servers are found: `3 from DNS A web.example.org, seen 12 s ago, asked again in 18 s`.
fn place_line(place: &PlaceStatus, now: UnixTime) -> Vec<Cell> {
    let PlaceStatus { from, servers, seen, next_look, stale } = place;
    let seen = seen.map_or("never seen".to_owned(), |at| format!("seen {} ago", span(now - at)));
    let next = next_look.map(|at| format!(", asked again in {}", span(at - now))).unwrap_or_default();
    let mut line = vec![format!("{servers} from {from}, {seen}{next}").into()];
    if let Some(StaleStatus { since, why }) = stale {
        line.push(Cell::new(format!("(perhaps old since {}: {why})", span(now - since)), Tint::Warn));
    }
    line
}

/// What an operator wants of a real server: `drain, as an operator (uid 0) wants it since 12 s; down in 48 s`.
fn order(order: &OrderStatus, now: UnixTime) -> String {
    let OrderStatus { what, duty: _, by, since, deadline, until_reload } = order;
    let until = if *until_reload { ", until a reload" } else { "" };
    let deadline = deadline.map(|at| format!("; down in {} at the latest", span(at - now))).unwrap_or_default();
    format!("{what}, as {by} wants it since {}{until}{deadline}", span(now - since))
}

/// A virtual server of which the director says nothing: the checks may know something all the same.
fn unknown_server(page: &mut Page, service: &ServiceStatus, now: UnixTime, depth: Depth) {
    let scheduling = format!("{}, quorum {}", service.scheduler, service.quorum);
    page.line(2, &[Cell::new(&service.name, Tint::Head), state(&service.state), scheduling.into()]);
    let mut table = Table::new(4, &["REAL SERVER", "FWD", "STATE", "WEIGHT", "LAST CHECK", "WHY"]);
    for UnknownServerStatus { address, forwarding, why, configured_weight, checks } in &service.unknown_servers {
        table.row(vec![
            address.into(),
            forwarding.into(),
            state("unknown"),
            format!("? (of {configured_weight})").into(),
            last_check(checks, now).into(),
            why.into(),
        ]);
        probes(&mut table, checks, now, depth);
    }
    page.table(table);
}

fn probes(table: &mut Table, checks: &[CheckStatus], now: UnixTime, depth: Depth) {
    let several = checks.len() > 1;
    for check in checks.iter().filter(|c| several || !c.up || c.suspended.is_some() || depth == Depth::Full) {
        table.note(probe(check, now));
    }
}

fn weight(server: &RealServerStatus) -> Cell {
    match (server.weight, server.slow_start) {
        (Some(_), Some(share)) => Cell::new(format!("slow start {share}%"), Tint::Warn),
        (Some(weight), None) if weight == server.configured_weight => weight.to_string().into(),
        (Some(weight), None) => Cell::new(format!("{weight} of {}", server.configured_weight), Tint::Warn),
        (None, _) => Cell::new(format!("out (of {})", server.configured_weight), Tint::Warn),
    }
}

fn last_check(checks: &[CheckStatus], now: UnixTime) -> String {
    match checks.iter().filter_map(|c| c.last_run).max_by(f64::total_cmp) {
        Some(at) => format!("{} ago", span(now - at)),
        None if checks.is_empty() => "none".to_owned(),
        None => "not yet".to_owned(),
    }
}

fn probe(check: &CheckStatus, now: UnixTime) -> Vec<Cell> {
    let (word, tint) = if check.up { ("passes", Tint::Good) } else { ("fails", Tint::Bad) };
    let run = match check.last_run {
        Some(at) => format!("({} ago, took {}): {}", span(now - at), fine(check.took), check.last),
        None => "(has not run yet)".to_owned(),
    };
    let mut line = vec![Cell::from(&check.kind), Cell::new(word, tint), run.into()];
    if let Some(why) = &check.suspended {
        line.push(Cell::new(format!("(suspended: {why})"), Tint::Warn));
    }
    if check.retries_left > 0 {
        line.push(Cell::new(format!("({} left)", count(u64::from(check.retries_left), "retry")), Tint::Faint));
    }
    line
}

/// Seconds as the two largest units: `3 m 12 s`.
pub(super) fn span(seconds: f64) -> String {
    // Saturates: a clock that was set back, or a number that is none, is 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating is what is wanted")]
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => format!("{} m {} s", s / 60, s % 60),
        3_600..86_400 => format!("{} h {} m", s / 3_600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3_600 % 24),
    }
}

/// Seconds where fractions count: `2.41 s`, `412 ms`, `1.30 ms`.
pub(crate) fn fine(seconds: f64) -> String {
    if seconds >= 60.0 {
        span(seconds)
    } else if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.01 {
        format!("{:.0} ms", seconds * 1e3)
    } else {
        format!("{:.2} ms", seconds.max(0.0) * 1e3)
    }
}

/// The date of a time.
fn date(at: UnixTime) -> String {
    let at = Duration::try_from_secs_f64(at).ok().and_then(|d| UNIX_EPOCH.checked_add(d));
    // Beyond the year 9999 the library has no words.
    match at.filter(|at| at.duration_since(UNIX_EPOCH).is_ok_and(|d| d.as_secs() < 253_402_300_800)) {
        Some(at) => httpdate::fmt_http_date(at),
        None => "unknown".to_owned(),
    }
}

/// A counter in at most five places: `1234`, `12.3 k`, `4.6 G`.
pub(crate) fn large(n: u64) -> String {
    if n < 10_000 {
        return n.to_string();
    }
    let mut value = n as f64 / 1e3;
    for unit in ["k", "M", "G", "T", "P"] {
        if value < 999.95 {
            return format!("{value:.1} {unit}");
        }
        value /= 1e3;
    }
    format!("{value:.1} E")
}

/// `1 reload`, `2 reloads`, `2 addresses`, `3 retries`.
fn count(n: u64, noun: &str) -> String {
    match (n, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "address") => format!("{n} addresses"),
        (_, "route or rule") => format!("{n} routes and rules"),
        (_, "retry") => format!("{n} retries"),
        _ => format!("{n} {noun}s"),
    }
}
