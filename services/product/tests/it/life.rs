//! Start and end.

use std::os::unix::fs::symlink;

use telemetry_testing::{Child, Sink};

use crate::service::spawn;

fn count(child: &Child, event: &str) -> usize {
    let lines = child.log_lines();
    lines
        .iter()
        .filter(|line| line["event.name"] == event)
        .count()
}

#[test]
fn the_catalogue_is_seeded_once() {
    let (sink, data) = (Sink::start(), tempfile::tempdir().unwrap());
    let data = data.path().join("data").display().to_string();
    for seeded in [1, 0] {
        let child = spawn(&sink, &[("SHOP_DATA_DIR", &data)]);
        child.listening();
        assert_eq!(count(&child, "catalogue.seeded"), seeded);
        child.terminate();
        let exit = child.wait();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    }
}

#[test]
fn a_data_directory_that_is_a_link_ends_the_start_and_says_why() {
    let (sink, scratch) = (Sink::start(), tempfile::tempdir().unwrap());
    let link = scratch.path().join("link");
    symlink(scratch.path(), &link).unwrap();
    let exit = spawn(&sink, &[("SHOP_DATA_DIR", &link.display().to_string())]).wait();
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stderr.contains("link is a symbolic link"),
        "{}",
        exit.stderr
    );
}

#[test]
fn an_address_that_is_taken_ends_the_start_and_names_the_variable() {
    let sink = Sink::start();
    let taken = sink.address().to_string();
    let exit = spawn(&sink, &[("SHOP_LISTEN_ADDR", &taken)]).wait();
    assert_eq!(exit.code, Some(1));
    let message = format!("cannot listen on {taken} (SHOP_LISTEN_ADDR)");
    assert!(exit.stderr.contains(&message), "{}", exit.stderr);
}
