//! Deliberate breakage, to show that the laws notice it. All of it is done by the simulated host to what it hands to
//! the node and takes from it: the code under test stays as it is.

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// Every advert seems to have priority 1: no comparison of priorities is right.
    PriorityUnread,
    /// An advert with priority 0 is not heard: a good-bye is followed no sooner than a death.
    ReleaseUnheard,
    /// Of two masters with one priority neither gives way to the higher address.
    TieUndecided,
    /// A router that is no longer MASTER keeps its addresses.
    AddressesKept,
    /// A new master doesn't announce its addresses.
    NotAnnounced,
    /// An address that somebody removes is not put back.
    TheftUnnoticed,
    /// A backup judges its master's silence before it reads what has arrived meanwhile.
    TickBeforeReading,
    /// Whatever is received puts off what is due: keepalived's master under junk.
    AdvertsWaitForQuiet,
    /// The authentication header's sequence number is not looked at.
    ReplaysBelieved,
    /// Members of a sync group know nothing of each other.
    GroupsApart,
    /// The reason of a change of state is lost.
    ChangesUntold,
    /// What a tracked script says after its first result is not taken in.
    ScriptsUnheard,
    /// A role that is started again after a long time is MASTER as if it had never been away.
    AbsenceForgotten,
    /// A master's leases are not renewed.
    LeasesForgotten,
    /// A BFD neighbour counts as gone an interval too late.
    SilenceOverlooked,
    /// A BFD neighbour counts as gone an interval too early.
    SilenceImagined,
    /// A BFD neighbour's silence is judged before what has arrived meanwhile is read.
    SilenceBeforeReading,
    /// A BFD packet is believed whatever routers it crossed.
    HopsUncounted,
    /// Instances are not told when a BFD session comes up or goes down.
    SessionsUnfollowed,
    /// What comes by a heartbeat path is not heeded.
    PathsUnheard,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Mutation; 20] = [
        Mutation::PriorityUnread,
        Mutation::ReleaseUnheard,
        Mutation::TieUndecided,
        Mutation::AddressesKept,
        Mutation::NotAnnounced,
        Mutation::TheftUnnoticed,
        Mutation::TickBeforeReading,
        Mutation::AdvertsWaitForQuiet,
        Mutation::ReplaysBelieved,
        Mutation::GroupsApart,
        Mutation::ChangesUntold,
        Mutation::ScriptsUnheard,
        Mutation::AbsenceForgotten,
        Mutation::LeasesForgotten,
        Mutation::SilenceOverlooked,
        Mutation::SilenceImagined,
        Mutation::SilenceBeforeReading,
        Mutation::HopsUncounted,
        Mutation::SessionsUnfollowed,
        Mutation::PathsUnheard,
    ];

    /// The one of that name, as `Debug` writes it.
    pub fn parse(name: &str) -> Option<Mutation> {
        Mutation::ALL.into_iter().find(|m| format!("{m:?}") == name)
    }
}
