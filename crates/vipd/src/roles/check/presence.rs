//! Which addresses are on this host: the checks of a virtual server with `ha_suspend` rest while none of its own is. They are looked
//! for where the daemon works and VRRP puts them, whatever `net_namespace_ipvs` says.

use crate::rate::Limit;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use tokio::sync::mpsc;
use tracing::warn;
use vipd_lvs::settings::{VirtualServer, VirtualServerId};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::netlink::{Address, Change, Monitor, Netlink, flag};
use vipd_sys::poll::Poller;

/// Messages of the kernel that wait to be taken in; more wait in its own buffer.
const WAITING: usize = 64;
/// How often the thread looks whether it is still wanted, in microseconds.
const LOOK: u64 = 1_000_000;

/// The addresses of this host, and who waits for which.
#[derive(Default)]
pub(super) struct Presence {
    /// The addresses of each virtual server that waits for one of them; never none.
    awaited: BTreeMap<VirtualServerId, BTreeSet<IpAddr>>,
    /// The other way round.
    waiting: BTreeMap<IpAddr, BTreeSet<VirtualServerId>>,
    /// `None` while nobody waits, or nothing can be heard: then nothing is suspended.
    ear: Option<Ear>,
    limit: Limit,
}

/// Hears of addresses.
struct Ear {
    heard: mpsc::Receiver<io::Result<Vec<Change>>>,
    here: Here,
}

/// The addresses of the host, each with the interfaces and prefixes that it has it with.
type Here = BTreeMap<IpAddr, BTreeSet<(u32, u8)>>;

impl Ear {
    fn open() -> io::Result<Ear> {
        // First the ear, so that nothing is missed between.
        let monitor = Monitor::open()?;
        let mut poller = Poller::new()?;
        poller.watch(&monitor, 0)?;
        let (sender, heard) = mpsc::channel(WAITING);
        let thread = std::thread::Builder::new().name("addresses".to_owned());
        thread.spawn(move || {
            if let Err(e) = listen(monitor, &mut poller, &sender) {
                let _ = sender.blocking_send(Err(e)); // nobody listens any more: as well
            }
        })?;
        Ok(Ear { heard, here: read()? })
    }

    /// The next changes, with all that have come behind them: the addresses that these are about; `None`: perhaps every one.
    async fn hear(&mut self) -> io::Result<Option<BTreeSet<IpAddr>>> {
        let (mut touched, mut all) = (BTreeSet::new(), false);
        let mut next = Some(self.heard.recv().await.ok_or(io::ErrorKind::BrokenPipe)?);
        while let Some(changes) = next {
            for change in changes? {
                match change {
                    // That one is there still is told again and again: its lease is renewed.
                    Change::Address(address) => touched.extend(note(&mut self.here, &address)),
                    Change::AddressGone(address, _) => touched.extend(forget(&mut self.here, &address)),
                    Change::Overrun => {
                        self.here = read()?;
                        all = true;
                    }
                    // Of the addresses of an interface that goes the kernel tells one by one.
                    Change::Link(_) | Change::LinkGone(_) => {}
                }
            }
            next = self.heard.try_recv().ok();
        }
        Ok((!all).then_some(touched))
    }
}

/// The thread: passes on what the kernel tells until nobody wants to know.
fn listen(mut monitor: Monitor, poller: &mut Poller, sender: &mpsc::Sender<io::Result<Vec<Change>>>) -> io::Result<()> {
    let mut ready = Vec::new();
    while !sender.is_closed() {
        poller.wait(Some(monotonic_micros() + LOOK), &mut ready)?;
        while let Some(changes) = monitor.read()? {
            if sender.blocking_send(Ok(changes)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn read() -> io::Result<Here> {
    let mut here = Here::new();
    for address in Netlink::open()?.addresses()? {
        note(&mut here, &address);
    }
    Ok(here)
}

/// Notes an address, unless it is not yet sure that it is this host's alone; tells it if it has come, or gone.
fn note(here: &mut Here, address: &Address) -> Option<IpAddr> {
    if address.flags & (flag::TENTATIVE | flag::DADFAILED) != 0 {
        return forget(here, address);
    }
    let places = here.entry(address.address).or_default();
    let came = places.is_empty().then_some(address.address);
    places.insert((address.index, address.prefix));
    came
}

/// An address has left a place; tells it if that was the last.
fn forget(here: &mut Here, address: &Address) -> Option<IpAddr> {
    let places = here.get_mut(&address.address)?;
    places.remove(&(address.index, address.prefix));
    if !places.is_empty() {
        return None;
    }
    here.remove(&address.address);
    Some(address.address)
}

impl Presence {
    /// What a virtual server waits for from now on, if it does.
    pub(super) fn take(&mut self, service: &VirtualServer) {
        self.leave(&service.id);
        let addresses: BTreeSet<IpAddr> = service.awaited().collect();
        for address in &addresses {
            self.waiting.entry(*address).or_default().insert(service.id.clone());
        }
        if !addresses.is_empty() {
            self.awaited.insert(service.id.clone(), addresses);
            self.listen();
        }
    }

    /// It waits for nothing any more.
    pub(super) fn leave(&mut self, id: &VirtualServerId) {
        for address in self.awaited.remove(id).into_iter().flatten() {
            if let Some(ids) = self.waiting.get_mut(&address) {
                ids.remove(id);
                if ids.is_empty() {
                    self.waiting.remove(&address);
                }
            }
        }
        if self.awaited.is_empty() {
            self.ear = None;
        }
    }

    /// Listens where that is needed; whether that is new.
    pub(super) fn listen(&mut self) -> bool {
        if self.awaited.is_empty() || self.ear.is_some() {
            return false;
        }
        match Ear::open() {
            Ok(ear) => self.ear = Some(ear),
            Err(e) => self.complain("be watched", &e),
        }
        self.ear.is_some()
    }

    fn complain(&mut self, what: &str, error: &io::Error) {
        if let Some(silent) = self.limit.allow(monotonic_micros()) {
            warn!(
                "the addresses of this host can't {what} ({error}): ha_suspend suspends nothing until they can{silent}"
            );
        }
    }

    /// Every virtual server that waits.
    pub(super) fn all(&self) -> BTreeSet<VirtualServerId> {
        self.awaited.keys().cloned().collect()
    }

    /// The virtual servers whose addresses have come or gone; returns when there are any. Nothing is lost when this is dropped.
    pub(super) async fn changed(&mut self) -> BTreeSet<VirtualServerId> {
        loop {
            let Some(ear) = &mut self.ear else { return std::future::pending().await };
            let touched = match ear.hear().await {
                Ok(touched) => touched,
                Err(e) => {
                    // It is tried again at the next look at the runs: nothing is suspended until then.
                    self.complain("be heard of any more", &e);
                    self.ear = None;
                    None
                }
            };
            let ids = match touched {
                None => self.all(),
                Some(touched) => {
                    touched.iter().filter_map(|address| self.waiting.get(address)).flatten().cloned().collect()
                }
            };
            if !ids.is_empty() {
                return ids;
            }
        }
    }

    /// Whether the checks of a virtual server rest.
    pub(super) fn suspends(&self, id: &VirtualServerId) -> bool {
        let Some(ear) = &self.ear else { return false };
        self.awaited.get(id).is_some_and(|addresses| !addresses.iter().any(|address| ear.here.contains_key(address)))
    }

    /// Why they do, if they do.
    pub(super) fn why(&self, id: &VirtualServerId) -> Option<String> {
        let addresses = self.awaited.get(id).filter(|_| self.suspends(id))?;
        let first = addresses.first()?;
        Some(match addresses.len() - 1 {
            0 => format!("{first} is not on this host"),
            1 => format!("neither {first} nor the group's other address is on this host"),
            others => format!("neither {first} nor any of the group's {others} other addresses is on this host"),
        })
    }
}
