//! The configurations: each a virtual server or a few, with addresses, marks and groups of its own, and what a reload
//! makes of it.
//!
//! A text has `$V.N` for an address of its own (10.80.CASE.N), `$6::N` for one of IPv6, `$MN` for a mark, `$G` for the
//! name of a group. The real servers are 10.77.0.11 to .13 and 2001:db8:77::11 to ::13: all of one number live and die
//! together.

use std::fmt::Write as _;

/// What both daemons are given.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// With its addresses put in.
    before: String,
    /// What it is after the reload.
    after: String,
    /// No check judges its servers: a failure changes nothing.
    pub(super) unchecked: bool,
    /// What vipd makes otherwise, if anything.
    pub(super) otherwise: Option<Otherwise>,
}

/// Which text of the configurations is in force.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Before,
    After,
}

impl Case {
    pub(super) fn text(&self, text: Text) -> &str {
        match text {
            Text::Before => &self.before,
            Text::After => &self.after,
        }
    }
}

/// Where keepalived 2.2.7 makes another table than vipd does on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Otherwise {
    /// The services of a group know too many users after a reload: that of an entry that is taken out stays without
    /// servers, so that what is sent there is refused, and at a stop all of them stay.
    Group,
    /// And a mark that a reload adds to a group is not seen.
    GroupOfMarks,
    /// A sorry server that is given no port gets 0, where nobody listens, and not the service's.
    SorryPort,
    /// Thresholds that a reload changes stay what they were.
    Thresholds,
    /// After a reload while a quorum holds by its hysteresis the sorry server serves beside the living.
    SorryStays,
    /// A reload that brings the quorum within reach brings the dead back into the table.
    DeadReturn,
}

/// One as it is written below.
struct Draft {
    name: &'static str,
    head: &'static str,
    words: &'static str,
    servers: Vec<(u8, &'static str, &'static str)>,
    /// How the servers' addresses begin.
    network: &'static str,
    /// Blocks before the virtual server.
    beside: &'static str,
    then: Vec<(&'static str, &'static str)>,
    unchecked: bool,
    otherwise: Option<Otherwise>,
}

/// A virtual server with these words (`;` ends one) and the servers 11 and 12 at port 80, of weight 1 and 2.
fn case(name: &'static str, head: &'static str, words: &'static str) -> Draft {
    let servers = vec![(11, "80", "weight 1"), (12, "80", "weight 2")];
    let network = if head.starts_with("$6") { V6 } else { V4 };
    let otherwise = head.starts_with("group").then_some(Otherwise::Group);
    Draft { name, head, words, servers, network, beside: "", then: Vec::new(), unchecked: false, otherwise }
}

impl Draft {
    /// Other servers: number, port, words.
    fn servers(mut self, servers: &[(u8, &'static str, &'static str)]) -> Draft {
        self.servers = servers.to_vec();
        self
    }

    /// Servers of this family.
    fn of(mut self, network: &'static str) -> Draft {
        self.network = network;
        self
    }

    /// Blocks before it.
    fn beside(mut self, text: &'static str) -> Draft {
        self.beside = text;
        self
    }

    /// What a reload changes.
    fn then(mut self, from: &'static str, to: &'static str) -> Draft {
        self.then.push((from, to));
        self
    }

    /// A block that only the reload brings.
    fn appears(self, block: &'static str) -> Draft {
        self.then(APPEARS, block)
    }

    fn unchecked(mut self) -> Draft {
        self.unchecked = true;
        self
    }

    fn otherwise(mut self, what: Otherwise) -> Draft {
        self.otherwise = Some(what);
        self
    }

    fn text(&self) -> String {
        let mut text = format!("{}{APPEARS}", self.beside);
        let lines = |words: &str| words.split(';').map(|w| format!("  {}\n", w.trim())).collect::<String>();
        let _ = writeln!(text, "virtual_server {} {{\n{}", self.head, lines(self.words));
        for (number, port, words) in &self.servers {
            let _ = writeln!(text, " real_server {}{number} {port} {{\n{}", self.network, lines(words));
            if !self.unchecked {
                let _ = writeln!(text, "  FILE_CHECK {{\n   track_file out{number}\n  }}");
            }
            text += " }\n";
        }
        text + "}\n"
    }

    fn finish(self, number: usize) -> Case {
        let put = |text: &str| {
            text.replace("$V", &format!("10.80.{number}"))
                .replace("$6", &format!("2001:db8:80:{number}"))
                .replace("$M", &format!("{number}0"))
                .replace("$G", &format!("group{number}"))
        };
        let before = self.text();
        let after = self.then.iter().fold(before.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{}: no `{from}` in\n{text}", self.name);
            text.replace(from, to)
        });
        Case {
            name: self.name,
            before: put(&before),
            after: put(&after),
            unchecked: self.unchecked,
            otherwise: self.otherwise,
        }
    }
}

/// Where `appears` puts its block.
const APPEARS: &str = "! --\n";

/// All of them; the first has number 1.
pub(super) fn all() -> Vec<Case> {
    let drafts = [schedulers(), flags(), forwarding(), persistence(), quorums(), sorry(), groups(), others()];
    drafts.into_iter().flatten().enumerate().map(|(at, draft)| draft.finish(at + 1)).collect()
}

const V4: &str = "10.77.0.";
const V6: &str = "2001:db8:77::";
const WEB: &str = "$V.1 80";
const WEB6: &str = "$6::1 80";
const FIRST_GONE: &str = " real_server 10.77.0.12 80 {\n  weight 2";

fn schedulers() -> Vec<Draft> {
    vec![
        case("rr", WEB, "lvs_sched rr; lvs_method NAT; protocol TCP").then("lvs_sched rr", "lvs_sched wrr"),
        case("wrr", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP").then("weight 2", "weight 5"),
        case("lc", WEB, "lvs_sched lc; lvs_method NAT; protocol TCP").then("0.12 80", "0.13 80"),
        case("wlc, which is none", WEB, "lvs_method DR; protocol TCP").then("protocol", "lvs_sched lc\nprotocol"),
        case("lblc", WEB, "lvs_sched lblc; lvs_method DR; protocol TCP").then("lblc", "lblcr"),
        case("lblcr", WEB, "lvs_sched lblcr; lvs_method DR; protocol TCP").then("weight 1", "weight 0"),
        case("sh", WEB, "lvs_sched sh; lvs_method NAT; protocol TCP").then("lvs_sched sh", "lvs_sched sh\nsh-port"),
        case("dh", WEB, "lvs_sched dh; lvs_method NAT; protocol TCP").then("lvs_sched dh", "lvs_sched rr"),
        case("sed", WEB, "lvs_sched sed; lvs_method NAT; protocol TCP").then("weight 1", "weight 8"),
        case("nq", WEB, "lvs_sched nq; lvs_method NAT; protocol TCP").then("lvs_sched nq", "lvs_sched sed"),
        case("fo", WEB, "lvs_sched fo; lvs_method DR; protocol TCP").then("weight 2", "weight 1"),
        case("ovf", WEB, "lvs_sched ovf; lvs_method NAT; protocol TCP").then("weight 2", "weight 9"),
        case("mh", WEB, "lvs_sched mh; lvs_method NAT; protocol TCP").then("lvs_sched mh", "lvs_sched mh\nmh-fallback"),
        case("old names of words", WEB, "lb_algo wrr; lb_kind DR; protocol TCP").then("lb_algo wrr", "lb_algo lc"),
    ]
}

fn flags() -> Vec<Draft> {
    let sh = "lvs_sched sh; lvs_method DR; protocol TCP";
    vec![
        case("sh-port", WEB, "lvs_sched sh; sh-port; lvs_method DR; protocol TCP").then("sh-port", "sh-fallback"),
        case("sh-fallback", WEB, "lvs_sched sh; sh-fallback; lvs_method DR; protocol TCP").then("sh-fallback", ""),
        case("sh-port and sh-fallback", WEB, sh).then("protocol TCP", "protocol TCP\nsh-port\nsh-fallback"),
        case("mh-port", WEB, "lvs_sched mh; mh-port; lvs_method DR; protocol TCP").then("mh-port", "mh-fallback"),
        case("mh-fallback", WEB, "lvs_sched mh; mh-fallback; lvs_method DR; protocol TCP")
            .then("mh-fallback", "mh-port"),
        case("mh-port and mh-fallback", WEB, "lvs_sched mh; mh-port; mh-fallback; lvs_method DR; protocol TCP")
            .then("lvs_sched mh\n  mh-port\n  mh-fallback", "lvs_sched rr"),
        case("flag-1", WEB, "lvs_sched rr; flag-1; lvs_method DR; protocol TCP").then("flag-1", "flag-3"),
        case("flag-2", WEB, "lvs_sched rr; flag-2; lvs_method DR; protocol TCP").then("flag-2", ""),
        case("flag-3", WEB, "lvs_sched rr; flag-3; lvs_method DR; protocol TCP").then("flag-3", "flag-2"),
        case("all three flags", WEB, "lvs_sched wlc; flag-1; flag-2; flag-3; lvs_method DR; protocol TCP")
            .then("flag-2\n", "\n"),
        case("flags of another scheduler", WEB, "lvs_sched mh; sh-port; lvs_method DR; protocol TCP")
            .then("lvs_sched mh", "lvs_sched sh"),
        case("ops", "$V.1 53", "lvs_sched rr; ops; lvs_method NAT; protocol UDP").then("ops", ""),
        case("ops with TCP", WEB, "lvs_sched rr; ops; lvs_method NAT; protocol TCP")
            .then("lvs_sched rr", "lvs_sched lc"),
        case("ops with a mark", "fwmark $M1", "lvs_sched rr; ops; lvs_method NAT").then("ops", ""),
    ]
}

fn forwarding() -> Vec<Draft> {
    let gue = |kind: &'static str, name: &'static str| case(name, WEB, kind);
    vec![
        case("NAT to another port", WEB, "lvs_sched rr; lvs_method NAT; protocol TCP")
            .servers(&[(11, "8080", "weight 1"), (12, "8081", "weight 1")])
            .then("8081", "8082"),
        case("NAT to one server by two ports", WEB, "lvs_sched rr; lvs_method NAT; protocol TCP")
            .servers(&[(11, "8080", "weight 1"), (11, "8081", "weight 1"), (12, "8080", "weight 1")])
            .then("8081", "8082"),
        case("NAT without a port of the server", WEB, "lvs_sched rr; lvs_method NAT; protocol TCP")
            .servers(&[(11, "", "weight 1"), (12, "80", "weight 1")])
            .then("lvs_method NAT", "lvs_method DR"),
        case("NAT, which is none", WEB, "lvs_sched rr; protocol TCP").then("lvs_sched", "lvs_method DR\nlvs_sched"),
        case("DR with another port of the server", WEB, "lvs_sched rr; lvs_method DR; protocol TCP")
            .servers(&[(11, "8080", "weight 1"), (12, "80", "weight 1")])
            .then("lvs_method DR", "lvs_method NAT"),
        gue("lvs_sched rr; lvs_method TUN; protocol TCP", "TUN").then("TUN", "TUN type gre"),
        gue("lvs_sched rr; lvs_method TUN type ipip; protocol TCP", "TUN ipip").then("type ipip", "type gue port 6080"),
        gue("lvs_sched rr; lvs_method TUN type gue port 6080 nocsum; protocol TCP", "TUN gue nocsum")
            .then("6080", "6090"),
        gue("lvs_sched rr; lvs_method TUN type gue port 6080 csum; protocol TCP", "TUN gue csum")
            .then("csum", "remcsum"),
        gue("lvs_sched rr; lvs_method TUN type gue port 6080 remcsum; protocol TCP", "TUN gue remcsum")
            .then("remcsum", "nocsum"),
        gue("lvs_sched rr; lvs_method TUN type gue port 6080; protocol TCP", "TUN gue, no word of checksums")
            .then("gue port 6080", "ipip"),
        gue("lvs_sched rr; lvs_method TUN type gre nocsum; protocol TCP", "TUN gre nocsum").then("nocsum", "csum"),
        gue("lvs_sched rr; lvs_method TUN type gre csum; protocol TCP", "TUN gre csum").then("TUN type gre csum", "DR"),
        case("each server its own way", WEB, "lvs_sched rr; protocol TCP")
            .servers(&[
                (11, "80", "lvs_method NAT"),
                (12, "80", "lvs_method DR"),
                (13, "80", "lvs_method TUN type gue port 7000 csum"),
            ])
            .then("lvs_method DR", "lvs_method TUN type gre csum"),
        case("one server otherwise", WEB, "lvs_sched rr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "weight 1"), (12, "8080", "lvs_method NAT")])
            .then("lvs_method NAT", "lvs_method TUN"),
    ]
}

fn persistence() -> Vec<Draft> {
    vec![
        case("persistence", WEB, "lvs_sched wlc; lvs_method DR; persistence_timeout 50; protocol TCP")
            .then("timeout 50", "timeout 70"),
        case("persistence without a time", WEB, "lvs_sched wlc; lvs_method DR; persistence_timeout; protocol TCP")
            .then("persistence_timeout", ""),
        case(
            "granularity",
            WEB,
            "lvs_sched wlc; lvs_method DR; persistence_timeout 60; persistence_granularity 255.255.255.0; protocol TCP",
        )
        .then("255.255.255.0", "255.255.0.0"),
        case(
            "granularity alone",
            WEB,
            "lvs_sched wlc; lvs_method DR; persistence_granularity 255.255.0.0; protocol TCP",
        )
        .then("weight 2", "weight 3"),
        case(
            "granularity of IPv6",
            WEB6,
            "lvs_sched wlc; lvs_method DR; persistence_timeout 60; persistence_granularity 64; protocol TCP",
        )
        .then("granularity 64", "granularity 48"),
        case(
            "persistence_engine",
            "$V.1 5060",
            "lvs_sched rr; lvs_method NAT; persistence_timeout 60; persistence_engine sip; protocol UDP",
        )
        .servers(&[(11, "5060", "weight 1"), (12, "5060", "weight 1")])
        .then("persistence_engine sip", ""),
        case(
            "persistence_engine and ops",
            "$V.1 5060",
            "lvs_sched rr; lvs_method NAT; ops; persistence_timeout 60; persistence_engine sip; protocol UDP",
        )
        .servers(&[(11, "5060", "weight 1"), (12, "5060", "weight 1")])
        .then("timeout 60", "timeout 90"),
        case("every port", "$V.1 0", "lvs_sched rr; lvs_method DR; persistence_timeout 90; protocol TCP")
            .servers(&[(11, "0", "weight 1"), (12, "0", "weight 1")])
            .then("timeout 90", "timeout 100"),
        case("every port without persistence", "$V.1", "lvs_sched rr; lvs_method DR; protocol TCP")
            .servers(&[(11, "", "weight 1"), (12, "", "weight 1")])
            .then("lvs_sched rr", "lvs_sched lc"),
        case("persistence of a mark", "fwmark $M1", "lvs_sched rr; lvs_method DR; persistence_timeout 90")
            .then("timeout 90", "timeout 91"),
    ]
}

fn quorums() -> Vec<Draft> {
    let three = [(11, "80", "weight 1"), (12, "80", "weight 2"), (13, "80", "weight 3")];
    vec![
        case("a quorum nobody serves without", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; quorum 6")
            .servers(&three)
            .then("quorum 6", "quorum 5\nlvs_sched rr"),
        case(
            "quorum, hysteresis and a sorry server",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; quorum 4; hysteresis 1; sorry_server 10.77.0.99 80",
        )
        .servers(&three)
        .otherwise(Otherwise::SorryStays)
        .then("weight 2", "weight 7"),
        case(
            "a quorum out of reach",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; quorum 40; sorry_server 10.77.0.99 80",
        )
        .servers(&three)
        .otherwise(Otherwise::DeadReturn)
        .then("quorum 40", "quorum 2\nlvs_sched rr"),
        case("inhibit_on_failure", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; inhibit_on_failure")
            .then("weight 2", "weight 3"),
        case("inhibit_on_failure of one", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "inhibit_on_failure"), (12, "80", "weight 2")])
            .then("weight 2", "weight 3"),
        case("inhibit_on_failure but for one", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; inhibit_on_failure")
            .servers(&[(11, "80", "inhibit_on_failure off"), (12, "80", "weight 2")])
            .then("inhibit_on_failure off", "weight 4"),
        case("alpha", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; alpha").then("weight 2", "weight 3"),
        case("omega", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; omega").then("weight 2", "weight 4"),
        case("alpha and omega of a mark", "fwmark $M1", "lvs_sched wrr; lvs_method DR; alpha; omega")
            .then("weight 2", "weight 4"),
    ]
}

fn sorry() -> Vec<Draft> {
    vec![
        case("a sorry server", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; sorry_server 10.77.0.99 80")
            .then("weight 2", "weight 3"),
        case(
            "a sorry server and inhibit_on_failure",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; inhibit_on_failure; sorry_server 10.77.0.99 80",
        )
        .then("weight 2", "weight 3"),
        case(
            "sorry_server_inhibit",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; sorry_server 10.77.0.99 80; sorry_server_inhibit",
        )
        .then("weight 2", "weight 3"),
        case(
            "sorry_server_lvs_method",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; sorry_server 10.77.0.99 8080; sorry_server_lvs_method NAT",
        )
        .then("sorry_server_lvs_method NAT", "sorry_server_lvs_method TUN type gre\n lvs_sched lc"),
        case(
            "a sorry server of lvs_method",
            WEB,
            "lvs_sched wrr; lvs_method TUN type gue port 6080; protocol TCP; sorry_server 10.77.0.99 80",
        )
        .then("port 6080", "port 6070"),
        case("another sorry server", WEB, "lvs_sched wrr; lvs_method NAT; protocol TCP; sorry_server 10.77.0.99 81")
            .then("0.99 81", "0.98 82\n lvs_sched rr"),
        case(
            "a sorry server without a port",
            WEB,
            "lvs_sched wrr; lvs_method NAT; protocol TCP; sorry_server 10.77.0.99",
        )
        .otherwise(Otherwise::SorryPort)
        .then(" sorry_server 10.77.0.99\n", "lvs_sched rr\n"),
        case(
            "a sorry server that is a server, too",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; quorum 2; sorry_server 10.77.0.11 80",
        )
        .then("weight 2", "weight 3"),
        case(
            "a sorry server and a hysteresis that keeps",
            WEB,
            "lvs_sched wrr; lvs_method DR; protocol TCP; quorum 2; hysteresis 1; sorry_server 10.77.0.99 80",
        )
        .then("weight 2", "weight 3"),
        case(
            "a sorry server of IPv6",
            WEB6,
            "lvs_sched wrr; lvs_method NAT; protocol TCP; sorry_server 2001:db8:77::99 80",
        )
        .then("weight 2", "weight 3"),
    ]
}

fn groups() -> Vec<Draft> {
    let words = "lvs_sched rr; lvs_method DR; protocol TCP";
    let no_port = [(11, "0", "weight 1"), (12, "0", "weight 2")];
    vec![
        case("a mark", "fwmark $M1", "lvs_sched wrr; lvs_method DR").then("weight 2", "weight 3"),
        case("a mark of IPv6", "fwmark $M1", "ip_family inet6; lvs_sched wrr; lvs_method DR")
            .servers(&[(11, "", "weight 1"), (12, "", "weight 2")])
            .of(V6)
            .then("weight 2", "weight 3"),
        case("a mark of the servers' family", "fwmark $M1", "lvs_sched wrr; lvs_method DR")
            .servers(&[(11, "", "weight 1"), (12, "", "weight 2")])
            .of(V6)
            .then("weight 2", "weight 3"),
        case("a group of one", "group $G", words)
            .beside("virtual_server_group $G {\n $V.1 80\n}\n")
            .then("$V.1 80", "$V.2 80"),
        case("a group of some", "group $G", words)
            .beside("virtual_server_group $G {\n $V.1 80\n $V.2 80\n}\n")
            .then("$V.2 80", "$V.2 80\n $V.3 80"),
        case("a group that loses one", "group $G", words)
            .beside("virtual_server_group $G {\n $V.1 80\n $V.2 80\n}\n")
            .then(" $V.2 80\n", ""),
        case("a range", "group $G", words).beside("virtual_server_group $G {\n $V.1-4 80\n}\n").then("1-4", "1-3"),
        case("a range of IPv6", "group $G", "lvs_sched rr; lvs_method DR; protocol TCP; ip_family inet6")
            .of(V6)
            .beside("virtual_server_group $G {\n $6::1-3 80\n}\n")
            .then("::1-3", "::1-4"),
        case("a group of marks", "group $G", "lvs_sched rr; lvs_method DR")
            .beside("virtual_server_group $G {\n fwmark $M1\n fwmark $M2\n}\n")
            .servers(&no_port)
            .otherwise(Otherwise::GroupOfMarks)
            .then("fwmark $M2", "fwmark $M2\n fwmark $M3"),
        case("a group of all sorts", "group $G", "lvs_sched rr; lvs_method NAT; protocol TCP")
            .beside("virtual_server_group $G {\n $V.1 80\n $V.3-5 80\n fwmark $M1\n}\n")
            .then("$V.3-5 80", "$V.4-6 80"),
        case("a group of several ports by NAT", "group $G", "lvs_sched rr; lvs_method NAT; protocol TCP")
            .beside("virtual_server_group $G {\n $V.1 80\n $V.1 81\n}\n")
            .then("weight 2", "weight 3"),
        case(
            "a group with a sorry server",
            "group $G",
            "lvs_sched rr; lvs_method DR; protocol TCP; sorry_server 10.77.0.99 80",
        )
        .beside("virtual_server_group $G {\n $V.1 80\n $V.2-3 80\n}\n")
        .then("weight 2", "weight 3"),
    ]
}

const UDP: &str = "virtual_server $V.1 80 {
  lvs_sched lc
  lvs_method DR
  protocol UDP
 real_server 10.77.0.12 80 {
  FILE_CHECK {
   track_file out12
  }
 }
}
";
const GROUP_UDP: &str = "virtual_server_group $G {
 $V.1-2 80
}
virtual_server group $G {
  lvs_sched lc
  lvs_method DR
  protocol UDP
 real_server 10.77.0.11 80 {
  FILE_CHECK {
   track_file out11
  }
 }
 real_server 10.77.0.12 80 {
  FILE_CHECK {
   track_file out12
  }
 }
}
";
const MARK6: &str = "virtual_server fwmark $M1 {
  ip_family inet6
  lvs_sched lc
  lvs_method DR
 real_server 2001:db8:77::12 {
  FILE_CHECK {
   track_file out12
  }
 }
}
";

fn others() -> Vec<Draft> {
    vec![
        case("TCP and UDP of one address", WEB, "lvs_sched rr; lvs_method DR; protocol TCP")
            .beside(UDP)
            .then("weight 2", "weight 3"),
        case("a service that goes", WEB, "lvs_sched rr; lvs_method DR; protocol TCP").beside(UDP).then(UDP, ""),
        case("a service that comes", "$V.2 80", "lvs_sched rr; lvs_method DR; protocol TCP").appears(UDP),
        case("TCP and UDP of one group", "group $G", "lvs_sched rr; lvs_method DR; protocol TCP")
            .beside(GROUP_UDP)
            .then("weight 2", "weight 3"),
        case("a mark of each family", "fwmark $M1", "lvs_sched rr; lvs_method DR")
            .beside(MARK6)
            .then("weight 2", "weight 3"),
        case("another address", WEB, "lvs_sched rr; lvs_method DR; protocol TCP").then("$V.1 80", "$V.9 80"),
        case("another port", WEB, "lvs_sched rr; lvs_method NAT; protocol TCP").then("$V.1 80", "$V.1 81"),
        case("another protocol", WEB, "lvs_sched rr; lvs_method DR; protocol TCP").then("TCP", "UDP"),
        case("another mark", "fwmark $M1", "lvs_sched rr; lvs_method DR").then("$M1", "$M2"),
        case("everything otherwise", WEB, "lvs_sched rr; lvs_method DR; protocol TCP")
            .then(
                "lvs_sched rr",
                "lvs_sched wlc\npersistence_timeout 30\ninhibit_on_failure\nsorry_server 10.77.0.99 80",
            )
            .then("weight 2", "weight 3")
            .then("10.77.0.11 80", "10.77.0.13 80"),
        case("UDP", "$V.1 53", "lvs_sched rr; lvs_method DR; protocol UDP")
            .servers(&[(11, "53", "weight 1"), (12, "53", "weight 2")])
            .then("weight 2", "weight 3"),
        case("UDP, which is no protocol", "$V.1 53", "lvs_sched rr; lvs_method NAT").then("weight 2", "weight 3"),
        case("SCTP", "$V.1 9899", "lvs_sched rr; lvs_method NAT; protocol SCTP").then("weight 2", "weight 3"),
        case("IPv6 by NAT", WEB6, "lvs_sched rr; lvs_method NAT; protocol TCP").then("weight 2", "weight 3"),
        case("IPv6 by DR, UDP", "$6::1 53", "lvs_sched rr; lvs_method DR; protocol UDP")
            .servers(&[(11, "53", "weight 1"), (12, "53", "weight 2")])
            .then("weight 2", "weight 3"),
        case("IPv6 through GUE", WEB6, "lvs_sched rr; lvs_method TUN type gue port 6080 csum; protocol TCP")
            .then("port 6080", "port 6081"),
        case("IPv6 through IPv4", WEB6, "lvs_sched rr; lvs_method TUN; protocol TCP")
            .of(V4)
            .then("weight 2", "weight 3"),
        case("IPv4 through IPv6", WEB, "lvs_sched rr; lvs_method TUN; protocol TCP")
            .of(V6)
            .then("weight 2", "weight 3"),
        case("thresholds", WEB, "lvs_sched rr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "uthreshold 100;lthreshold 50"), (12, "80", "uthreshold 9")])
            .otherwise(Otherwise::Thresholds)
            .then("uthreshold 9\n", "uthreshold 10\n"),
        case("weight 0", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "weight 0"), (12, "80", "weight 2")])
            .then("weight 0", "weight 1"),
        case("weight 65535", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "weight 65535"), (12, "80", "weight 2")])
            .then("weight 65535", "weight 65534"),
        case("a weight for all", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP; weight 7")
            .servers(&[(11, "80", ""), (12, "80", "weight 2")])
            .then("weight 7", "weight 8"),
        case("a weight that is too large", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "weight 70000"), (12, "80", "weight 2")])
            .then("weight 2", "weight 3"),
        case("a server that is there twice", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP")
            .servers(&[(11, "80", "weight 1"), (12, "80", "weight 2"), (11, "80", "weight 5")])
            .then("weight 2", "weight 3"),
        case("no check", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP").unchecked().then("weight 2", "weight 3"),
        case("a server goes at the reload", WEB, "lvs_sched wrr; lvs_method DR; protocol TCP")
            .unchecked()
            .then(FIRST_GONE, " real_server 10.77.0.13 80 {\n  weight 4"),
        case("ip_family of an address", WEB6, "ip_family inet6; lvs_sched wrr; lvs_method DR; protocol TCP")
            .then("weight 2", "weight 3"),
    ]
}
