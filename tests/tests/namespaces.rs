//! The network namespaces that the daemon and its director work in.

#![allow(clippy::unwrap_used)] // in a test a panic is the verdict

use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use vipd_tests::conf::Instance;
use vipd_tests::director::{Director, Kind};
use vipd_tests::lab::Lab;

const VIP: &str = "10.77.0.100";
const LONG: Duration = Duration::from_secs(15);

#[test]
fn the_daemon_works_in_the_namespace_that_is_named_and_the_director_in_its_own() {
    let service = "virtual_server 10.77.0.100 80 {\n protocol TCP\n real_server 10.77.0.9 80 {\n }\n}\n";
    let of = |path: String| std::fs::metadata(path).unwrap().ino();
    // By the file; by the command line, which stands above it.
    for (word, option) in [(2, None), (3, Some(2))] {
        let mut lab = Lab::new();
        let (one, two, three) = (lab.host(1), lab.host(2), lab.host(3));
        let named = [&one, &two, &three][word - 1];
        for (ipvs, place) in [
            (format!("net_namespace_ipvs {}", three.namespace), of(format!("/run/netns/{}", three.namespace))),
            (String::new(), of(format!("/run/netns/{}", two.namespace))),
        ] {
            let conf =
                format!("net_namespace {}\n{ipvs}\n{}{service}", named.namespace, Instance::new(3, 150, "0.1").text());
            let more: Vec<&str> = option.iter().flat_map(|_| ["-s", two.namespace.as_str()]).collect();
            let mut a = Director::start_with(Kind::Vipd, &one, &conf, &more);
            vipd_tests::wait_for("the address is there", LONG, || two.holds(VIP));
            assert!(!one.holds(VIP) && !three.holds(VIP));
            let ours = |pid: u32| of(format!("/proc/{pid}/ns/net"));
            assert_eq!(ours(a.role("vrrp")), of(format!("/run/netns/{}", two.namespace)));
            vipd_tests::wait_for("the director is where it is told to be", LONG, || {
                let pid = a.role("director");
                pid != 0 && ours(pid) == place
            });
            a.stop();
            assert!(!two.holds(VIP));
        }
    }
}
