//! One of ours and one of keepalived's on a wire, in both seats: the stronger serves, the weaker hears it, and takes over when
//! it dies.

use crate::conf::master_down;
use crate::director::{Director, Kind};
use crate::lab::{Host, Lab};
use std::time::Duration;
use vipd_api::InstanceStatus;

/// Long enough for anything, on one emulated processor too.
pub const LONG: Duration = Duration::from_secs(30);

/// Waits for longer than the patience of a backup with priority 100 and this interval, in seconds; it must have heard the
/// stronger meanwhile.
#[track_caller]
pub fn stays_backup(interval: f64, host: &Host, director: &Director, vip: &str) {
    std::thread::sleep(Duration::from_secs_f64(master_down(3, 100, interval) + 2.0));
    assert!(!host.holds(vip), "the weaker one doesn't hear the stronger:\n{}", director.log());
}

/// Where an instance sends from, and where to.
pub type Ends<'a> = (&'a str, &'a str);

/// What both play for, and what is looked at meanwhile. Their instances are `VI_1`, of version 3, with an interval of 0.3 s.
pub struct Seats<'a> {
    /// The address.
    pub vip: &'a str,
    /// Makes the hosts ready: ours and keepalived's.
    pub prepare: &'a dyn Fn(&Host, &Host),
    /// The configuration of one of them with this priority.
    pub conf: &'a dyn Fn(Kind, u8, Ends<'_>) -> String,
    /// Looks at our host while it serves.
    pub serving: &'a dyn Fn(&Host),
    /// Looks at our instance while it is the weaker; with keepalived's address.
    pub waiting: &'a dyn Fn(&InstanceStatus, &str),
}

impl Seats<'_> {
    /// Both rounds.
    #[track_caller]
    pub fn play(&self) {
        for strong in [Kind::Vipd, Kind::Keepalived] {
            let mut lab = Lab::new();
            let (one, two) = (lab.host(1), lab.host(2));
            let six = self.vip.contains(':');
            (self.prepare)(&one, &two);
            if six {
                one.with_ipv6();
                two.with_ipv6();
            }
            let address = |host: &Host| if six { host.ipv6() } else { host.address() };
            let (ours, theirs) = (address(&one), address(&two));
            let (mine, other) = if strong == Kind::Vipd { (150, 100) } else { (100, 150) };
            let vipd = Director::start(Kind::Vipd, &one, &(self.conf)(Kind::Vipd, mine, (&ours, &theirs)));
            let keepalived = (self.conf)(Kind::Keepalived, other, (&theirs, &ours));
            let keepalived = Director::start(Kind::Keepalived, &two, &keepalived);
            match strong {
                Kind::Vipd => self.strong(vipd, keepalived, (&one, &two)),
                Kind::Keepalived => self.weak(vipd, keepalived, &one, &theirs),
            }
        }
    }

    #[track_caller]
    fn strong(&self, mut vipd: Director, keepalived: Director, (one, two): (&Host, &Host)) {
        vipd.wait_master(self.vip, LONG);
        (self.serving)(one);
        stays_backup(0.3, two, &keepalived, self.vip);
        vipd.kill();
        keepalived.wait_master(self.vip, LONG);
    }

    #[track_caller]
    fn weak(&self, mut vipd: Director, mut keepalived: Director, one: &Host, theirs: &str) {
        keepalived.wait_master(self.vip, LONG);
        stays_backup(0.3, one, &vipd, self.vip);
        let status = vipd.instance("VI_1");
        assert!(status.counters.rejected.is_empty(), "{:?}", status.counters.rejected);
        (self.waiting)(&status, theirs);
        keepalived.kill();
        vipd.wait_master(self.vip, LONG);
        (self.serving)(one);
        vipd.stop();
        assert!(!one.holds(self.vip), "a stopped director leaves its address:\n{}", vipd.log());
    }
}
