//! How a test gets its name: from its module and its function.

use std::ops::Range;

use libtest_mimic::Failed;

use crate::Ctx;

/// One run of a test.
pub(crate) type Run = Box<dyn FnOnce(&Ctx) -> Result<(), Failed> + Send>;

/// A test, as [`live_tests!`] builds it.
pub(crate) struct LiveTest {
    /// `module_path!()` of the test's module, and the name of its function.
    name: (&'static str, &'static str),
    kind: Kind,
}

enum Kind {
    Once(fn(&Ctx) -> Result<(), Failed>),
    /// One run for each seed: these, or those of `DS_SEEDS`.
    PerSeed(fn(&Ctx, u64) -> Result<(), Failed>, Range<u64>),
}

/// The `TESTS` of a module: its test functions, and behind `per seed` those that run once for each seed of a range.
///
/// `live_tests![first, second]`, `live_tests![first; per seed: third in SEEDS]`.
macro_rules! live_tests {
    ($($test:ident),* $(,)? $(; per seed: $seeded:ident in $seeds:expr)?) => {
        &[
            $($crate::harness::registry::LiveTest::once((module_path!(), stringify!($test)), $test),)*
            $($crate::harness::registry::LiveTest::per_seed((module_path!(), stringify!($seeded)), $seeded, $seeds),)?
        ]
    };
}

impl LiveTest {
    pub(crate) const fn once(name: (&'static str, &'static str), test: fn(&Ctx) -> Result<(), Failed>) -> Self {
        Self { name, kind: Kind::Once(test) }
    }

    pub(crate) const fn per_seed(
        name: (&'static str, &'static str),
        test: fn(&Ctx, u64) -> Result<(), Failed>,
        seeds: Range<u64>,
    ) -> Self {
        Self { name, kind: Kind::PerSeed(test, seeds) }
    }

    /// Its runs, each with its path: the module below `cases`, the function, and `seed_N` where there are seeds.
    pub(crate) fn runs(&self) -> Vec<(String, Run)> {
        let (module, function) = self.name;
        let module = module.split_once("cases::").map_or(module, |(_, module)| module);
        let path = format!("{module}::{function}");
        match &self.kind {
            Kind::Once(test) => {
                let run: Run = Box::new(*test);
                vec![(path, run)]
            }
            Kind::PerSeed(test, seeds) => {
                let test = *test;
                let run = |seed| -> (String, Run) {
                    (format!("{path}::seed_{seed}"), Box::new(move |ctx: &Ctx| test(ctx, seed)))
                };
                chosen_seeds(seeds.clone()).into_iter().map(run).collect()
            }
        }
    }
}

/// How to run one seed of a test again.
pub(crate) fn seed_command(path: &str, seed: u64) -> String {
    format!("DS_SEEDS={seed} cargo test --test live -- --exact {path}::seed_{seed}")
}

/// The seeds of `DS_SEEDS`, which is a number, a list or a range without its end; the default if it is not set.
fn chosen_seeds(default: Range<u64>) -> Vec<u64> {
    let Ok(text) = std::env::var("DS_SEEDS") else {
        return default.collect();
    };
    let number = |text: &str| text.trim().parse::<u64>().expect("DS_SEEDS must be like 7, 1,5,9 or 100..110");
    match text.split_once("..") {
        Some((first, end)) => (number(first)..number(end)).collect(),
        None => text.split(',').map(number).collect(),
    }
}
