//! Which cases are run, and what came of them.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::case::{Area, Case, HoldsFor, Target};
use crate::run;
use crate::world::World;

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// It was not run, and why.
    Skipped(String),
    /// Ours does not have what it asks for yet; the milestone that brings it.
    NotYet(String),
}

/// A case and what came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its area.
    pub area: String,
    /// Its name.
    pub id: String,
    /// What it holds.
    pub title: String,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether the case was run at all.
    pub const fn was_run(&self) -> bool {
        !matches!(self.verdict, Verdict::Skipped(_))
    }
}

/// Which cases are run: all, or those of these areas, with these names or beginnings of names.
#[derive(Debug, Clone, Default)]
pub struct Selection(pub Vec<String>);

impl Selection {
    /// Whether a case is among them.
    pub fn has(&self, area: &str, id: &str) -> bool {
        let wanted = |word: &String| {
            let begins = id.to_uppercase().strip_prefix(&word.to_uppercase()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            begins || area.eq_ignore_ascii_case(word)
        };
        self.0.is_empty() || self.0.iter().any(wanted)
    }
}

/// Runs cases, `jobs` at a time, and tells each outcome as it comes. Outcomes are returned in the order of the cases.
pub async fn run(world: &World, areas: &[Area], selection: &Selection, jobs: usize, mut told: impl FnMut(&Outcome)) -> Vec<Outcome> {
    let chosen: Vec<(usize, &Area, &Case)> = areas
        .iter()
        .enumerate()
        .flat_map(|(index, area)| area.cases.iter().map(move |case| (index, area, case)))
        .filter(|(_, area, case)| selection.has(&area.area, &case.id))
        .collect();
    let mut outcomes = Vec::new();
    for (alone, jobs) in [(false, jobs.max(1)), (true, 1)] {
        let running = chosen
            .iter()
            .enumerate()
            .filter(|(_, (_, _, case))| case.alone == alone)
            .map(|(place, (index, area, case))| async move { (place, outcome(world, *index, area, case).await) });
        let mut ended = stream::iter(running).buffer_unordered(jobs);
        while let Some((place, outcome)) = ended.next().await {
            told(&outcome);
            outcomes.push((place, outcome));
        }
    }
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

async fn outcome(world: &World, index: usize, area: &Area, case: &Case) -> Outcome {
    let began = Instant::now();
    let verdict = verdict(world, index, case).await;
    Outcome { area: area.area.clone(), id: case.id.clone(), title: case.title.clone(), verdict, took: began.elapsed() }
}

async fn verdict(world: &World, index: usize, case: &Case) -> Verdict {
    if let Some(missing) = world.lacks(&case.needs) {
        return Verdict::Skipped(missing.to_owned());
    }
    if !run::is_asked(case, world.target) {
        return Verdict::Skipped(case.reference.clone().unwrap_or_default());
    }
    let result = run::run(world, index, case).await;
    match (result, &case.later) {
        (Err(_), Some(milestone)) if world.target == Target::Ours => Verdict::NotYet(milestone.clone()),
        (Ok(()), Some(milestone)) if world.target == Target::Ours => {
            Verdict::Failed(format!("it passes, though it is marked for later ({milestone}): remove the mark"))
        }
        (Ok(()), _) => Verdict::Passed,
        (Err(why), _) => Verdict::Failed(why),
    }
}

/// What is wrong with how cases are written down: names, words of patterns, missing reasons.
pub fn problems(areas: &[Area]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for case in areas.iter().flat_map(|area| &area.cases) {
        let mut found = Vec::new();
        if !known.insert(case.id.as_str()) {
            found.push("its id is taken".to_owned());
        }
        let does_otherwise = case.steps.iter().any(|step| step.reference.is_some() || step.only == Some(Target::Ours));
        match (case.target, &case.reference) {
            (HoldsFor::Ours, None) => found.push("what does the reference do instead?".to_owned()),
            (HoldsFor::Ours, Some(_)) if !does_otherwise => found.push("no step is otherwise on the reference".to_owned()),
            (HoldsFor::Both, Some(_)) => found.push("it holds for both, and yet the reference does otherwise".to_owned()),
            (HoldsFor::Both, None) if case.steps.iter().any(|step| step.reference.is_some()) => {
                found.push("it holds for both, and yet a step is otherwise".to_owned());
            }
            _ => {}
        }
        if case.steps.is_empty() {
            found.push("it has no steps".to_owned());
        }
        for expect in case.steps.iter().flat_map(|step| [Some(&step.expect), step.reference.as_ref()]).flatten() {
            let patterns = [&expect.data, &expect.body, &expect.error];
            found.extend(patterns.into_iter().flatten().chain(expect.headers.values()).flat_map(crate::pattern::problems));
        }
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", case.id)));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{Selection, problems};
    use crate::case::areas;

    #[test]
    fn the_cases_are_well_formed() {
        let areas = areas().unwrap();
        assert_eq!(problems(&areas), Vec::<String>::new());
        for area in &areas {
            assert!(!area.cases.is_empty() && !area.about.is_empty(), "{}", area.area);
        }
    }

    #[test]
    fn cases_are_chosen_by_area_and_by_name() {
        let chosen = |words: &[&str]| {
            let selection = Selection(words.iter().map(|word| (*word).to_owned()).collect());
            [("agents", "AG-01"), ("agents", "AG-12"), ("messages", "MS-12")].map(|(area, id)| selection.has(area, id))
        };
        assert_eq!(chosen(&[]), [true, true, true]);
        assert_eq!(chosen(&["AG"]), [true, true, false]);
        assert_eq!(chosen(&["ag-1"]), [false, false, false]);
        assert_eq!(chosen(&["ms-12", "AG-01"]), [true, false, true]);
        assert_eq!(chosen(&["messages"]), [false, false, true]);
    }
}
