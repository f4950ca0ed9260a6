//! When descriptors run out here, nodes keep their last verdict. In a process of its own, which it starves.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "what cannot be set up fails the test, which needs only a part of the support"
)]

mod check_task_support;

use std::fs::File;
use std::time::Duration;

use check_task_support::{Server, Watched};
use rolecall::check::wake::By;
use rolecall::core::outcome::Outcome;

/// Takes every descriptor that is left.
fn starve() -> Vec<File> {
    let (_, hard) = rlimit::Resource::NOFILE.get().unwrap();
    rlimit::Resource::NOFILE.set(128, hard).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[tokio::test]
async fn r8_descriptors_that_run_out_here_are_no_failure_of_the_node() {
    let mut server = Server::start(&[]);
    let mut node = Watched::new(server.address()).settled().await;
    let taken = starve();
    // It should dial, and cannot: the connection that is there tells as much.
    let report = node.check(By::Dial).await;
    assert!(matches!(report.outcome, Outcome::Answered(_)), "{report:?}");
    assert!(!report.dialled);
    drop(taken);
    server.kill();
    while node.report().await.outcome != Outcome::Refused {}
    // Without a connection nothing can be known, and nothing is said.
    let taken = starve();
    node.wake.call(By::Dial);
    let silence = tokio::time::timeout(Duration::from_millis(200), node.report()).await;
    assert!(silence.is_err(), "{silence:?}");
    drop(taken);
    assert_eq!(node.check(By::Dial).await.outcome, Outcome::Refused);
}
