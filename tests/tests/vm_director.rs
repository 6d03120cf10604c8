//! The director with the kernel's real IPVS and real traffic. Runs in the virtual machine (`make test-vm`); elsewhere each
//! test says that it didn't run.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

#[path = "vm_director/life.rs"]
mod life;
#[path = "vm_director/machine.rs"]
mod machine;
#[path = "vm_director/means.rs"]
mod means;
#[path = "vm_director/misc.rs"]
mod misc;
#[path = "vm_director/reloads.rs"]
mod reloads;
#[path = "vm_director/samples.rs"]
mod samples;
#[path = "vm_director/site.rs"]
mod site;
#[path = "vm_director/traffic.rs"]
mod traffic;

#[test]
fn every_sample_makes_the_table_that_keepalived_makes() {
    if machine::here("every sample makes the table that keepalived makes") {
        let only = std::env::var("SAMPLE").ok();
        samples::same_table(|name| only.as_ref().is_none_or(|o| o == name));
    }
}

#[test]
fn every_sample_of_services_means_what_it_means_to_keepalived() {
    if machine::here("every sample of services means what it means to keepalived") {
        means::the_same();
    }
}

#[test]
fn requests_reach_the_servers_by_weight() {
    if machine::here("requests reach the servers by weight") {
        traffic::by_weight();
    }
}

#[test]
fn servers_leave_the_table_and_return_and_the_sorry_server_serves_meanwhile() {
    if machine::here("servers leave the table and return and the sorry server serves meanwhile") {
        life::servers_die_and_return();
    }
}

#[test]
fn a_role_that_is_killed_leaves_the_table_alone() {
    if machine::here("a role that is killed leaves the table alone") {
        life::roles_die();
    }
}

#[test]
fn a_reload_forgets_nothing() {
    if machine::here("a reload forgets nothing") {
        life::reloads();
    }
}

#[test]
fn hundreds_of_reloads_under_traffic_lose_nothing() {
    if machine::here("hundreds of reloads under traffic lose nothing") {
        reloads::under_traffic();
    }
}

#[test]
fn what_others_edit_is_undone() {
    if machine::here("what others edit is undone") {
        life::others_edit();
    }
}

#[test]
fn a_stop_empties_the_table_unless_told_otherwise() {
    if machine::here("a stop empties the table unless told otherwise") {
        life::stops();
    }
}

#[test]
fn a_script_says_the_weight() {
    if machine::here("a script says the weight") {
        misc::weight_by_script();
    }
}
