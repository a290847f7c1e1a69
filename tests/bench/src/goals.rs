//! What each figure must reach, and what it is held against. The only place where goals stand.

mod meaning;
mod table;

pub use meaning::{MEANINGS, Meaning};
pub use table::GOALS;

/// The goal of one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The figure's name.
    pub name: &'static str,
    /// The figure's case; empty for whatever case there is.
    pub case: &'static str,
    /// What it must reach.
    pub bound: Bound,
    /// So many times the peer of the same run is as good: machines differ.
    pub or_of_peer: Option<f64>,
    /// What nothing can be better than.
    pub limit: Option<Limit>,
    /// Who the peer is; empty where there is none.
    pub peer: &'static str,
}

/// What a value must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// So many times what the peer took in the same run, or less.
    AtMostOfPeer(f64),
    /// So many times what the peer reached in the same run, or more.
    AtLeastOfPeer(f64),
}

/// What the best there is was measured to reach, on the machine that the goals were made on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// In the unit of the figure.
    pub value: f64,
    /// What it is that reaches that.
    pub what: &'static str,
}

impl Goal {
    /// The goal in `goals` of the figure of this name and case.
    pub fn of<'a>(goals: &'a [Self], name: &str, case: &str) -> Option<&'a Self> {
        goals.iter().find(|goal| goal.is_of(name, case))
    }

    /// Whether it is the goal of such a figure. Cases are compared without regard to spaces.
    pub fn is_of(&self, name: &str, case: &str) -> bool {
        let letters = |text: &str| text.replace(' ', "");
        self.name == name && (self.case.is_empty() || letters(self.case) == letters(case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_at_most_one_goal() {
        for (at, goal) in GOALS.iter().enumerate() {
            let others = GOALS[..at].iter();
            let mut same = others.filter(|other| other.is_of(goal.name, goal.case));
            assert_eq!(same.next(), None);
        }
    }

    #[test]
    fn a_case_is_recognised_with_and_without_its_spaces() {
        let goal = GOALS[0];
        let spaced = Goal {
            case: "10 000",
            ..goal
        };
        assert!(spaced.is_of(goal.name, "10000"));
        assert!(!spaced.is_of(goal.name, "100000"));
        assert!(!spaced.is_of("other.ns", "10000"));
        assert!(Goal { case: "", ..goal }.is_of(goal.name, "any"));
    }

    #[test]
    fn every_goal_is_explained() {
        for goal in GOALS {
            let explained = MEANINGS.iter().any(|meaning| meaning.name == goal.name);
            assert!(explained, "{}", goal.name);
        }
    }
}
