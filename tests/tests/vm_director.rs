//! The director with the kernel's real IPVS and real traffic. Runs in the virtual machine (`make test-vm`); elsewhere
//! nextest leaves these tests out, and each fails.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

#[path = "vm_director/catch_up.rs"]
mod catch_up;
#[path = "vm_director/found.rs"]
mod found;
#[path = "vm_director/globals.rs"]
mod globals;
#[path = "vm_director/kills.rs"]
mod kills;
#[path = "vm_director/kinds.rs"]
mod kinds;
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
#[path = "vm_director/servers.rs"]
mod servers;
#[path = "vm_director/sessions.rs"]
mod sessions;
#[path = "vm_director/site.rs"]
mod site;
#[path = "vm_director/slow_start.rs"]
mod slow_start;
#[path = "vm_director/sync.rs"]
mod sync;
#[path = "vm_director/tables.rs"]
mod tables;
#[path = "vm_director/traffic.rs"]
mod traffic;

#[test]
fn every_sample_makes_the_table_that_keepalived_makes() {
    machine::needed();
    let only = std::env::var("SAMPLE").ok();
    samples::same_table(|name| only.as_ref().is_none_or(|o| o == name));
}

#[test]
fn dozens_of_configurations_make_the_tables_that_keepalived_makes() {
    machine::needed();
    tables::compare();
}

#[test]
fn words_of_all_services_do_what_they_do_for_keepalived() {
    machine::needed();
    globals::hold();
}

#[test]
fn the_table_may_be_in_another_namespace() {
    machine::needed();
    globals::elsewhere();
}

#[test]
fn every_sample_of_services_means_what_it_means_to_keepalived() {
    machine::needed();
    means::the_same();
}

#[test]
fn requests_reach_the_servers_by_weight() {
    machine::needed();
    traffic::by_weight();
}

#[test]
fn servers_leave_the_table_and_return_and_the_sorry_server_serves_meanwhile() {
    machine::needed();
    life::servers_die_and_return();
}

#[test]
fn a_role_that_is_killed_leaves_the_table_alone() {
    machine::needed();
    life::roles_die();
}

#[test]
fn clients_do_not_see_that_processes_are_killed() {
    machine::needed();
    kills::under_load();
}

#[test]
fn a_reload_forgets_nothing() {
    machine::needed();
    life::reloads();
}

#[test]
fn hundreds_of_reloads_under_traffic_lose_nothing() {
    machine::needed();
    reloads::under_traffic();
}

#[test]
fn what_others_edit_is_undone() {
    machine::needed();
    life::others_edit();
}

#[test]
fn a_stop_empties_the_table_unless_told_otherwise() {
    machine::needed();
    life::stops();
}

#[test]
fn the_sync_daemon_follows_the_instance_that_says_so() {
    machine::needed();
    sync::follows_as_it_was_said();
}

#[test]
fn the_sync_daemon_follows_its_instance() {
    machine::needed();
    sync::follows();
}

#[test]
fn every_kind_of_check_judges_a_real_server_of_its_kind() {
    machine::needed();
    kinds::judge_their_servers();
}

#[test]
fn a_script_says_the_weight() {
    machine::needed();
    misc::weight_by_script();
}

#[test]
fn a_file_says_the_weight() {
    machine::needed();
    misc::weight_by_file();
}

#[test]
fn servers_follow_their_bfd_sessions() {
    machine::needed();
    sessions::servers_follow();
}

#[test]
fn twenty_servers_are_replaced_and_no_client_notices() {
    machine::needed();
    servers::are_replaced_under_traffic();
}

#[test]
fn a_server_that_comes_back_gets_real_connections_little_by_little() {
    machine::needed();
    slow_start::grows();
}

#[test]
fn a_director_that_comes_back_knows_the_connections_before_it_takes_over() {
    machine::needed();
    catch_up::keeps_connections();
}

#[test]
fn the_table_follows_a_file_and_the_agents_beside_the_servers() {
    machine::needed();
    found::follows();
}
