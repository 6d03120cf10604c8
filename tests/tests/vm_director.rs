//! The director with the kernel's real IPVS and real traffic. Runs in the virtual machine (`make test-vm`); elsewhere each
//! test says that it didn't run.

#[path = "vm_director/machine.rs"]
mod machine;
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
fn requests_reach_the_servers_by_weight() {
    if machine::here("requests reach the servers by weight") {
        traffic::by_weight();
    }
}
