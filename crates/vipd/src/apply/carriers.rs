//! Which interfaces count as up: those that the kernel, or their driver where that is to be asked, says are, and of those that
//! may bounce only what lasts.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tracing::{info, warn};
use vipd_config::model::{Interface, Linkbeat};
use vipd_sys::carrier::{Asker, Method};
use vipd_vrrp::track::Link;

/// How often a driver is asked, in microseconds.
const BEAT: u64 = 1_000_000;

/// For how long an interface must be down, in microseconds, unless the file says so: a driver that is set anew, or a cable that
/// is touched, is no failure. Who tracks it leaves so much later; peers that count missed adverts don't wait for that.
const MOMENT: u64 = 50_000;

/// How it is found out whether an interface is up.
trait Ask {
    /// Whether its driver says that it has a carrier; an error if it can't be asked in this way.
    fn carrier(&self, device: &str, method: Method) -> io::Result<bool>;
    /// Whether its flags say that it is up and running.
    fn running(&self, device: &str) -> io::Result<bool>;
}

impl Ask for Asker {
    fn carrier(&self, device: &str, method: Method) -> io::Result<bool> {
        Asker::carrier(self, device, method)
    }

    fn running(&self, device: &str) -> io::Result<bool> {
        Asker::running(self, device)
    }
}

/// What counts of one interface.
#[derive(Clone, Copy)]
struct Shown {
    up: bool,
    /// It has been up: only then a change is waited for.
    seen_up: bool,
    /// Since when it is otherwise than it counts.
    otherwise: Option<u64>,
}

/// The interfaces, and what the file says of them.
#[derive(Default)]
pub(crate) struct Carriers {
    settings: BTreeMap<String, Interface>,
    asker: Option<Asker>,
    /// What drivers last said.
    answers: BTreeMap<String, bool>,
    /// Ways of asking that were told.
    told: BTreeMap<String, Option<Method>>,
    /// When they are asked next, whatever the kernel says.
    ask_at: u64,
    shown: BTreeMap<String, Shown>,
    /// When something that lasts long enough will count.
    due: Option<u64>,
    /// Those that were down and are up again, and never counted as down.
    back: Vec<String>,
}

impl Carriers {
    /// Heeds what a configuration says from now on.
    pub(crate) fn manage(&mut self, settings: &BTreeMap<String, Interface>) {
        self.settings.clone_from(settings);
        self.told.retain(|name, _| settings.contains_key(name));
        self.ask_at = 0;
        if self.polls() && self.asker.is_none() {
            self.asker = Asker::open().inspect_err(|e| warn!("drivers can't be asked for their carrier: {e}")).ok();
        }
    }

    fn polls(&self) -> bool {
        self.settings.values().any(|interface| interface.linkbeat.is_some())
    }

    /// When `facts` may say something else though the kernel has told nothing.
    pub(crate) fn wake(&self) -> Option<u64> {
        self.polls().then_some(self.ask_at).into_iter().chain(self.due).min()
    }

    /// The facts as they count at `now`. `blind`: for how long an interface may be down, in microseconds, before the peers of
    /// some instance upon it would take over.
    pub(crate) fn facts(
        &mut self,
        now: u64,
        mut facts: BTreeMap<String, Link>,
        blind: impl Fn(&str) -> Option<u64>,
    ) -> BTreeMap<String, Link> {
        self.ask(&facts);
        self.ask_at = now + BEAT;
        self.shown.retain(|name, _| facts.contains_key(name));
        self.due = None;
        for (name, link) in &mut facts {
            let said = self.settings.get(name);
            let micros = |delay: Duration| u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
            let up = self.answers.get(name).copied().unwrap_or(link.up);
            let delay = if up {
                said.map_or(0, |interface| micros(interface.up_delay))
            } else {
                let delay = said.and_then(|interface| interface.down_delay).map_or(MOMENT, micros);
                blind(name).map_or(delay, |most| most.min(delay))
            };
            let first = Shown { up, seen_up: up, otherwise: None };
            let shown = self.shown.entry(name.clone()).or_insert(first);
            let before = shown.otherwise;
            let since = *shown.otherwise.get_or_insert(now);
            let counts_at = since.saturating_add(if shown.seen_up { delay } else { 0 });
            if up == shown.up {
                if up && before.is_some() {
                    self.back.push(name.clone());
                }
                shown.otherwise = None;
            } else if counts_at <= now {
                *shown = Shown { up, seen_up: shown.seen_up || up, otherwise: None };
            } else {
                self.due = self.due.into_iter().chain([counts_at]).min();
            }
            link.up = shown.up;
        }
        facts
    }

    /// Those that were down for less than what counts, since the last time.
    pub(crate) fn back(&mut self) -> Vec<String> {
        std::mem::take(&mut self.back)
    }

    /// Asks the drivers of all interfaces that are there.
    fn ask(&mut self, facts: &BTreeMap<String, Link>) {
        self.answers.clear();
        let Some(asker) = &self.asker else { return };
        for (name, interface) in &self.settings {
            let Some(first) = interface.linkbeat.filter(|_| facts.contains_key(name)) else { continue };
            let (up, method) = answer(asker, name, first);
            self.answers.insert(name.clone(), up);
            if self.told.insert(name.clone(), method) != Some(method) {
                let way = match method {
                    Some(Method::Mii) => "its PHY is asked",
                    Some(Method::Ethtool) => "its driver is asked",
                    None => "its flags are looked at",
                };
                info!("interface {name}: {way} every second whether it has a carrier");
            }
        }
    }
}

/// Whether an interface is up, and by which way of asking: the preferred one, or another one that works.
fn answer(asker: &impl Ask, device: &str, first: Linkbeat) -> (bool, Option<Method>) {
    let methods: &[Method] = match first {
        Linkbeat::Mii => &[Method::Mii, Method::Ethtool],
        Linkbeat::Ethtool => &[Method::Ethtool, Method::Mii],
        Linkbeat::Ioctl => &[],
    };
    let said = methods.iter().find_map(|method| Some((asker.carrier(device, *method).ok()?, *method)));
    // One that is gone is down. Its flags can't fail otherwise.
    let running = asker.running(device).unwrap_or(false);
    (running && said.is_none_or(|(carrier, _)| carrier), said.map(|(_, method)| method))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn link(up: bool) -> BTreeMap<String, Link> {
        let link = Link { up, multicast: true, ipv4: None, link_local: None, mtu: 1500 };
        BTreeMap::from([("eth0".to_owned(), link)])
    }

    fn delayed(down: u64, up: u64) -> Carriers {
        let (down_delay, up_delay) = (Some(Duration::from_micros(down)), Duration::from_micros(up));
        let mut carriers = Carriers::default();
        carriers.manage(&BTreeMap::from([("eth0".to_owned(), Interface { linkbeat: None, down_delay, up_delay })]));
        carriers
    }

    /// What counts of the interface, and when to look again.
    fn judged(carriers: &mut Carriers, now: u64, up: bool, blind: Option<u64>) -> (bool, Option<u64>) {
        let facts = carriers.facts(now, link(up), |_| blind);
        (facts["eth0"].up, carriers.wake())
    }

    #[test]
    fn only_what_lasts_counts() {
        let mut carriers = delayed(2 * SECOND, SECOND);
        let mut at = |now, up| judged(&mut carriers, now, up, None);
        assert_eq!(at(5, false), (false, None));
        assert_eq!(at(10, true), (true, None), "the first time at once");
        assert_eq!(at(20, false), (true, Some(20 + 2 * SECOND)));
        assert_eq!(at(30, true), (true, None), "it bounced");
        assert_eq!(at(40, false), (true, Some(40 + 2 * SECOND)), "and counts from here");
        assert_eq!(at(39 + 2 * SECOND, false), (true, Some(40 + 2 * SECOND)));
        assert_eq!(at(40 + 2 * SECOND, false), (false, None));
        assert_eq!(at(3 * SECOND, true), (false, Some(4 * SECOND)));
        assert_eq!(at(4 * SECOND, true), (true, None));
    }

    #[test]
    fn peers_that_are_less_patient_are_heeded_and_what_is_gone_is_gone() {
        let mut carriers = delayed(2 * SECOND, 0);
        assert!(judged(&mut carriers, 0, true, None).0);
        assert_eq!(judged(&mut carriers, 10, false, Some(SECOND)), (true, Some(10 + SECOND)));
        assert_eq!(judged(&mut carriers, 10 + SECOND, false, Some(SECOND)), (false, None));
        assert!(judged(&mut carriers, 2 * SECOND, true, None).0);
        assert!(carriers.facts(2 * SECOND, BTreeMap::new(), |_| None).is_empty());
        assert!(!judged(&mut carriers, 2 * SECOND, false, None).0, "as if it had never been there");
    }

    #[test]
    fn without_a_word_of_the_file_a_moment_is_waited_for_and_what_was_away_is_told() {
        let mut carriers = Carriers::default();
        carriers.manage(&BTreeMap::new());
        assert!(judged(&mut carriers, 0, true, None).0);
        assert_eq!(judged(&mut carriers, 10, false, None), (true, Some(10 + MOMENT)));
        assert_eq!(judged(&mut carriers, 20, true, None), (true, None));
        assert_eq!((carriers.back(), carriers.back()), (vec!["eth0".to_owned()], vec![]));
        assert_eq!(judged(&mut carriers, 30, false, Some(5)), (true, Some(35)), "peers are less patient");
        assert_eq!(judged(&mut carriers, 35, false, Some(5)), (false, None));
        assert_eq!(judged(&mut carriers, 40, true, None), (true, None), "up counts at once");
        assert!(carriers.back().is_empty(), "it counted as down");
        let mut carriers = delayed(0, 0);
        assert!(judged(&mut carriers, 0, true, None).0);
        assert_eq!(judged(&mut carriers, 10, false, None), (false, None), "the file wants it at once");
    }

    /// A PHY, a driver and flags.
    struct Driver([Option<bool>; 3]);

    impl Ask for Driver {
        fn carrier(&self, _: &str, method: Method) -> io::Result<bool> {
            let Driver([phy, driver, _]) = self;
            let said = if method == Method::Mii { phy } else { driver };
            said.ok_or_else(|| io::ErrorKind::Unsupported.into())
        }

        fn running(&self, _: &str) -> io::Result<bool> {
            self.0[2].ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn drivers_are_asked_as_they_can_be() {
        let (yes, no) = (Some(true), Some(false));
        let (mii, ethtool) = (Some(Method::Mii), Some(Method::Ethtool));
        for (driver, first, expected) in [
            ([no, yes, yes], Linkbeat::Mii, (false, mii)),
            ([yes, no, yes], Linkbeat::Mii, (true, mii)),
            ([None, no, yes], Linkbeat::Mii, (false, ethtool)),
            ([no, yes, yes], Linkbeat::Ethtool, (true, ethtool)),
            ([no, None, yes], Linkbeat::Ethtool, (false, mii)),
            ([None, None, yes], Linkbeat::Ethtool, (true, None)),
            ([no, no, yes], Linkbeat::Ioctl, (true, None)),
            ([yes, yes, no], Linkbeat::Mii, (false, mii)),
            ([yes, yes, None], Linkbeat::Mii, (false, mii)),
        ] {
            assert_eq!(answer(&Driver(driver), "eth0", first), expected, "{driver:?}, {first:?}");
        }
    }
}
