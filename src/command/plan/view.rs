//! The output options of `plan`, and its exit code.

use std::process::ExitCode;

use jiff::Timestamp;

use super::args::PlanViewArgs;
use crate::command::args::{Global, OutputFormat};
use crate::command::print;
use crate::error::Error;
use crate::load::Source;
use crate::plan::{ClusterChange, Plan, World, plan};
use crate::render::document::{DocumentOptions, Rows, Sequence};
use crate::render::plan::{PlanContext, Report, plan as screen};
use crate::render::terminal::{self, ColorChoice};
use crate::render::{ListLength, ViewOptions};

/// The output options.
pub(super) struct PlanView {
    no_loss: bool,
    unfolded: bool,
    output: Option<OutputFormat>,
    headers: bool,
    color: ColorChoice,
}

impl PlanView {
    pub(super) fn new(args: PlanViewArgs, global: &Global) -> Self {
        Self {
            no_loss: args.no_loss,
            unfolded: args.all,
            output: args.output,
            headers: !args.no_headers,
            color: global.color,
        }
    }

    /// Reads what the change needs, makes the plan, and writes it. Returns the exit code.
    pub(super) async fn show(
        &self,
        source: &Source,
        mut world: World,
        change: &ClusterChange,
        context: &PlanContext,
    ) -> Result<ExitCode, Error> {
        source.complete(&mut world, change).await?;
        let (gaps, as_of) = (world.gaps(), world.snapshot.as_of);
        gaps.iter().for_each(|gap| terminal::note(gap));
        let plan = plan(world, change);
        self.write(&plan, context, &gaps, as_of)?;
        Ok(self.exit_code(&plan))
    }

    fn write(&self, plan: &Plan, context: &PlanContext, gaps: &[String], as_of: Timestamp) -> Result<(), Error> {
        print(|out| match self.output.as_ref().and_then(OutputFormat::document) {
            Some(format) => {
                let report = Report::new(plan, context, gaps, as_of);
                let rows = Rows::NODES;
                format.write(out, &report, DocumentOptions { sequence: Sequence::First, rows, headers: self.headers })
            }
            None => {
                let wide = self.output.as_ref().is_some_and(OutputFormat::is_wide);
                let style = terminal::style(self.color, ListLength::wide(wide));
                let view = ViewOptions {
                    headers: self.headers,
                    wide,
                    unfolded: self.unfolded,
                    ..ViewOptions::new(style, as_of)
                };
                screen(out, plan, context, view)
            }
        })
        .map(drop)
    }

    /// 1 if there is a problem, or with `--no-loss` if a node loses its pod.
    fn exit_code(&self, plan: &Plan) -> ExitCode {
        let fails = plan.has_problem() || self.no_loss && plan.has_loss();
        ExitCode::from(u8::from(fails))
    }
}
