//! What comes from the wire: for which instance it is, and whether it is believed.

use super::{Role, arrival};
use std::net::IpAddr;
use tracing::{debug, warn};
use vipd_sys::clock::monotonic_micros;
use vipd_sys::raw::{Arrived, Inbox, Received};
use vipd_vrrp::admit::{self, Admitted, Reject};
use vipd_vrrp::node::Input;
use vipd_vrrp::packet::{Datagram, PROTOCOL};
use vipd_vrrp::router::{Router, State};
use vipd_vrrp::settings::{Transport, Way};

impl Role {
    /// Reads datagrams of a port until there are none, or so many were read; how many it were.
    pub(super) fn read_port(&mut self, token: u64, most: usize, inbox: &mut Inbox) -> usize {
        let mut read = 0;
        while read < most {
            let taken = match self.ports.receive(token, inbox, most - read) {
                Ok(taken) => taken,
                Err(e) => {
                    debug!("receiving adverts: {e}"); // the interface went; the monitor tells
                    return read;
                }
            };
            for n in 0..taken {
                if let Some(arrived) = inbox.get(n) {
                    self.receive(token, arrived);
                }
            }
            read += taken;
            if taken < Inbox::MANY {
                break;
            }
        }
        read
    }

    fn receive(&mut self, token: u64, arrived: Arrived<'_>) {
        let now = arrival(arrived.at, self.ahead);
        let datagram = match arrived.datagram {
            Received::Whole(bytes) => Datagram::parse(bytes),
            Received::Payload { source, destination, hop_limit, payload } => Ok(Datagram {
                source: source.into(),
                destination: destination.into(),
                ttl: hop_limit,
                protocol: PROTOCOL,
                header: &[],
                payload,
            }),
        };
        let datagram = match datagram {
            Ok(datagram) => datagram,
            Err(why) => {
                for of in self.ports.instances(token) {
                    self.reject(of, &Reject::NotIp(why), None);
                }
                return;
            }
        };
        let vrid = match admit::vrid_of(&datagram) {
            Ok(vrid) => vrid,
            Err(why) => return self.turn_away(&why, datagram.source),
        };
        let routers = self.node.routers();
        let Some((i, way)) = choose(routers, self.ports.instances_of(token, vrid), datagram.source) else {
            return self.turn_away(&Reject::UnknownVrid(vrid), datagram.source);
        };
        let router = &routers[i];
        // In FAULT and INIT nothing is heard and nothing is wrong with what is not heard.
        if matches!(router.state(), State::Fault(_) | State::Init | State::Stopped) {
            return;
        }
        match admit::admit(&router.settings, router.known(now, way), &datagram) {
            Ok(admitted) => {
                let master = router.master();
                self.note_oddity(i, &admitted);
                if let Some(shell) = self.shells.get_mut(i).filter(|_| way == Way::Own) {
                    shell.sum = admitted.sum;
                }
                self.handle(now, Input::Advert(i, admitted));
                // Whom it listens to a successor has to know, to fence that one if need be and to wait as long as it says.
                self.snapshot_due |= self.node.routers().get(i).is_some_and(|router| router.master() != master);
            }
            Err(why) => self.reject((i, way), &why, Some(datagram.source)),
        }
    }

    fn note_oddity(&mut self, i: usize, admitted: &Admitted) {
        let Some(oddity) = admitted.oddity else { return };
        if let Some(silent) = self.oddities.allow(monotonic_micros()) {
            let name = &self.node.routers()[i].settings.name;
            warn!("({name}) advert from {}: {oddity} (accepted){silent}", admitted.source);
        }
    }

    fn reject(&mut self, (i, way): (usize, Way), why: &Reject, from: Option<IpAddr>) {
        let (Some(router), Some(shell)) = (self.node.routers().get(i), self.shells.get_mut(i)) else { return };
        *shell.rejected.entry(why.name()).or_default() += 1;
        shell.refuse(way);
        if let Some(silent) = shell.log.allow(monotonic_micros()) {
            let name = &router.settings.name;
            let from = from.map_or_else(|| "somebody".to_string(), |a| a.to_string());
            let path = router.settings.path(way).map(|path| format!(" on {path}")).unwrap_or_default();
            warn!("({name}) packet from {from}{path} not believed: {why}{silent}");
        }
    }

    /// Counts what is for none of the instances. Other virtual routers on a wire are nobody's fault, and logged only if the
    /// file says so.
    fn turn_away(&mut self, why: &Reject, from: IpAddr) {
        *self.strangers.entry(why.name()).or_default() += 1;
        if (!matches!(why, Reject::UnknownVrid(_)) || self.config.global.log_unknown_vrids)
            && let Some(silent) = self.strange.allow(monotonic_micros())
        {
            warn!("packet from {from} not believed: {why}{silent}");
        }
    }
}

/// Which of several instances with one VRID on one wire a packet is for: they differ by their unicast peers.
fn choose(routers: &[Router], candidates: &[(usize, Way)], from: IpAddr) -> Option<(usize, Way)> {
    let [first, rest @ ..] = candidates else { return None };
    if rest.is_empty() {
        return Some(*first);
    }
    let knows = |(i, way): &&(usize, Way)| match routers[*i].settings.transport_by(*way) {
        Transport::Unicast { peers, .. } => peers.iter().any(|p| p.address == from),
        Transport::Multicast { .. } => false,
    };
    candidates.iter().find(knows).copied()
}
