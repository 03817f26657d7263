//! The harness itself: a control plane starts, and ends with the test.

use libtest_mimic::Failed;

use crate::Ctx;
use crate::harness::control_plane::ControlPlane;
use crate::harness::registry::LiveTest;

pub(crate) const TESTS: &[LiveTest] = live_tests![starts_and_stops];

fn starts_and_stops(ctx: &Ctx) -> Result<(), Failed> {
    let plane = ControlPlane::builder(&ctx.programs).start()?;
    eprintln!("started in {:?}", plane.started());
    Ok(())
}
