//! A figure beside its goal.

use serde::{Deserialize, Serialize};

use crate::{
    figure::Figure,
    goals::{Bound, GOALS, Goal},
};

/// One line of `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Under which circumstances.
    pub case: String,
    /// How much it was.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// What the value had to reach in this run, in its unit; `None` for a figure without a goal.
    pub goal: Option<f64>,
    /// What nothing can be better than, as it was measured once.
    pub limit: Option<f64>,
    /// What the peer took in the same run.
    pub peer: Option<f64>,
    /// Whether the goal is reached; `None` without a goal.
    pub met: Option<bool>,
}

/// Holds every figure against its goal.
pub fn join(figures: Vec<Figure>) -> Vec<Row> {
    figures
        .into_iter()
        .map(|figure| {
            let goal = Goal::of(GOALS, &figure.name, &figure.case);
            Row::new(figure, goal)
        })
        .collect()
}

/// The goals that no figure was measured for.
pub fn unmeasured(rows: &[Row]) -> Vec<&'static Goal> {
    GOALS
        .iter()
        .filter(|goal| !rows.iter().any(|row| goal.is_of(&row.name, &row.case)))
        .collect()
}

impl Row {
    fn new(figure: Figure, goal: Option<&Goal>) -> Self {
        let Figure {
            name,
            case,
            value,
            unit,
            peer,
        } = figure;
        Self {
            goal: goal.and_then(|goal| goal.bound.threshold(peer)),
            limit: goal.and_then(|goal| goal.limit).map(|limit| limit.value),
            met: goal.map(|goal| goal.is_met(value, peer)),
            name,
            case,
            value,
            unit,
            peer,
        }
    }
}

impl Goal {
    /// Whether the value is good enough, by itself or beside the peer of the same run.
    fn is_met(&self, value: f64, peer: Option<f64>) -> bool {
        let reaches = |threshold: f64| match self.bound {
            Bound::AtMost(_) | Bound::AtMostOfPeer(_) => value <= threshold,
            Bound::AtLeast(_) | Bound::AtLeastOfPeer(_) => value >= threshold,
        };
        let beside_the_peer = self.or_of_peer.zip(peer).map(|(ratio, peer)| ratio * peer);
        // Without its peer a goal that hangs on the peer is not met: there is nothing to show.
        [self.bound.threshold(peer), beside_the_peer]
            .into_iter()
            .flatten()
            .any(reaches)
    }
}

impl Bound {
    /// What the value must reach, in its own unit.
    fn threshold(self, peer: Option<f64>) -> Option<f64> {
        match self {
            Self::AtMost(goal) | Self::AtLeast(goal) => Some(goal),
            Self::AtMostOfPeer(ratio) | Self::AtLeastOfPeer(ratio) => peer.map(|peer| ratio * peer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goals::Limit;

    fn goal(bound: Bound, or_of_peer: Option<f64>) -> Goal {
        Goal {
            name: "a.ns",
            case: "",
            bound,
            or_of_peer,
            limit: Some(Limit {
                value: 1.5,
                what: "the floor",
            }),
            peer: "a map",
        }
    }

    fn figure(value: f64, peer: Option<f64>) -> Figure {
        Figure {
            name: "a.ns".to_owned(),
            case: "1M".to_owned(),
            value,
            unit: "ns".to_owned(),
            peer,
        }
    }

    #[track_caller]
    fn check(bound: Bound, or: Option<f64>, measured: (f64, Option<f64>), met: bool) {
        let row = Row::new(figure(measured.0, measured.1), Some(&goal(bound, or)));
        assert_eq!(row.met, Some(met), "{bound:?} {or:?} {measured:?}");
    }

    #[test]
    fn a_value_that_equals_its_goal_meets_it() {
        check(Bound::AtMost(2.0), None, (2.0, None), true);
        check(Bound::AtMost(2.0), None, (2.1, None), false);
        check(Bound::AtLeast(0.8), None, (0.8, None), true);
        check(Bound::AtLeast(0.8), None, (0.7, None), false);
    }

    #[test]
    fn a_goal_that_hangs_on_the_peer_is_met_beside_the_peer_of_the_run_alone() {
        check(Bound::AtMostOfPeer(2.0), None, (8.0, Some(4.0)), true);
        check(Bound::AtMostOfPeer(2.0), None, (9.0, Some(4.0)), false);
        check(Bound::AtMostOfPeer(2.0), None, (1.0, None), false);
        check(Bound::AtLeastOfPeer(0.5), None, (2.0, Some(4.0)), true);
        check(Bound::AtLeastOfPeer(0.5), None, (1.0, Some(4.0)), false);
    }

    #[test]
    fn on_a_slow_machine_the_ratio_to_the_peer_is_enough() {
        check(Bound::AtMost(2.0), Some(1.5), (6.0, Some(4.0)), true);
        check(Bound::AtMost(2.0), Some(1.5), (7.0, Some(4.0)), false);
        check(Bound::AtMost(2.0), Some(1.5), (7.0, None), false);
        check(Bound::AtLeast(15.0), Some(0.6), (6.0, Some(10.0)), true);
    }

    #[test]
    fn a_row_shows_the_goal_in_the_unit_of_the_value() {
        let bound = Bound::AtMostOfPeer(2.0);
        let row = Row::new(figure(8.5, Some(4.0)), Some(&goal(bound, None)));
        let line = r#"{"name":"a.ns","case":"1M","value":8.5,"unit":"ns","goal":8.0,"limit":1.5,"peer":4.0,"met":false}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), line);
    }

    #[test]
    fn a_figure_without_a_goal_is_neither_met_nor_not() {
        let row = Row::new(figure(8.5, None), None);
        assert_eq!((row.goal, row.limit, row.met), (None, None, None));
    }

    #[test]
    fn a_goal_nobody_measured_is_named() {
        let rows = join(vec![figure(1.0, None)]);
        assert_eq!(unmeasured(&rows).len(), GOALS.len());
        let first = &GOALS[0];
        let measured = Figure {
            name: first.name.to_owned(),
            case: first.case.to_owned(),
            ..figure(1.0, None)
        };
        assert_eq!(unmeasured(&join(vec![measured])).len(), GOALS.len() - 1);
    }
}
