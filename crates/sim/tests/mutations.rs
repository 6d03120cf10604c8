//! The instrument itself: each deliberate breakage is found within 1000 seeds, by a law that it breaks.

use vipd_sim::{Law, Mutation, run};

/// The first seed that shows a breakage, and what it shows.
fn found(mutation: Mutation) -> (u64, Law) {
    for seed in 1..=1000 {
        if let Err(violation) = run(seed, Some(mutation)) {
            println!("{mutation:?}: {violation}");
            return (seed, violation.law);
        }
    }
    panic!("{mutation:?} was not found within 1000 seeds")
}

#[test]
fn each_breakage_is_found_by_a_law_that_it_breaks() {
    for mutation in Mutation::ALL {
        let laws: &[Law] = match mutation {
            Mutation::PriorityUnread => &[Law::TwoMasters, Law::HeardMaster, Law::OneMaster, Law::RightMaster],
            Mutation::ReleaseUnheard => &[Law::HandOver],
            Mutation::TieUndecided => &[Law::TwoMasters],
            Mutation::AddressesKept | Mutation::TheftUnnoticed => &[Law::Addresses],
            Mutation::NotAnnounced => &[Law::Neighbours],
            Mutation::TickBeforeReading => &[Law::HeardMaster],
            Mutation::AdvertsWaitForQuiet => &[Law::Schedule],
            Mutation::ReplaysBelieved => &[Law::Attacker],
            Mutation::GroupsApart => &[Law::Group],
            Mutation::ChangesUntold => &[Law::Recorded],
            Mutation::ScriptsUnheard => &[Law::Stuck, Law::RightMaster, Law::OneMaster],
            Mutation::AbsenceForgotten => &[Law::ListensFirst],
            Mutation::LeasesForgotten => &[Law::Leases],
            Mutation::SilenceOverlooked | Mutation::SilenceImagined | Mutation::SilenceBeforeReading => {
                &[Law::Detection]
            }
            Mutation::HopsUncounted => &[Law::Attacker],
            Mutation::SessionsUnfollowed => &[Law::Followed],
            Mutation::PathsUnheard => &[Law::HeardMaster, Law::TwoMasters],
        };
        let (seed, law) = found(mutation);
        assert!(laws.contains(&law), "{mutation:?} was found at seed {seed} as {law:?}");
    }
}
