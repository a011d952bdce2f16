//! Aggregations: many series to one per group, or a choice of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::row::{ABSENT, Row, is_there, present};
use super::sum::{Mean, Sum, Variance, quantile};
use super::{Evaluator, Steps};
use crate::NAME;
use crate::ast::{Aggregate, AggregateOp, Grouping};
use crate::error::EvalError;
use crate::format_number;
use crate::labels::{Labels, is_of_metric};

/// Is the rows that are aggregated into one.
struct Group {
    labels: Labels,
    nameless: bool,
    rows: Vec<Row>,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(
        &self,
        aggregate: &Aggregate,
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        let rows = self.rows(&aggregate.of, steps)?;
        let groups = grouped(rows, &aggregate.grouping);
        let op = aggregate.op;
        let rows = match op {
            AggregateOp::CountValues => self.count_values(aggregate, groups, steps)?,
            AggregateOp::Topk | AggregateOp::Bottomk => {
                let count = self.counts(aggregate, steps)?;
                let chosen = groups.into_iter().map(|group| best(group, op, &count));
                chosen.collect::<Vec<_>>().concat()
            }
            AggregateOp::Limitk => {
                let count = self.counts(aggregate, steps)?;
                let chosen = groups.into_iter().map(|group| firsts(group, &count));
                chosen.collect::<Vec<_>>().concat()
            }
            AggregateOp::LimitRatio => {
                let ratio = self.ratios(aggregate, steps)?;
                let chosen = groups.into_iter().map(|group| sampled(group, &ratio));
                chosen.collect::<Vec<_>>().concat()
            }
            AggregateOp::Quantile => {
                let quantiles = self.parameter(aggregate, steps)?;
                if let Some(param) = &aggregate.param {
                    self.warn_of_quantiles(param, &quantiles);
                }
                let rows = groups.iter().map(|group| quantile_of(group, &quantiles));
                rows.collect()
            }
            AggregateOp::Sum
            | AggregateOp::Avg
            | AggregateOp::Min
            | AggregateOp::Max
            | AggregateOp::Count
            | AggregateOp::Group
            | AggregateOp::Stddev
            | AggregateOp::Stdvar => groups
                .iter()
                .map(|group| reduced(group, op, steps))
                .collect(),
        };
        Ok(present(rows))
    }

    fn parameter(&self, aggregate: &Aggregate, steps: Steps) -> Result<Vec<f64>, EvalError> {
        match &aggregate.param {
            Some(param) => self.scalar(param, steps),
            None => Ok(vec![f64::NAN; steps.count]),
        }
    }

    /// Returns how many series to take at each step.
    fn counts(&self, aggregate: &Aggregate, steps: Steps) -> Result<Vec<usize>, EvalError> {
        let count = |value: f64| {
            if value.is_nan() {
                return Err(EvalError::execution("Parameter value is NaN"));
            }
            if !(-9.2e18..=9.2e18).contains(&value) {
                let why = format!("Scalar value {value} overflows int64");
                return Err(EvalError::execution(why));
            }
            Ok(value.max(0.0) as usize)
        };
        self.parameter(aggregate, steps)?
            .into_iter()
            .map(count)
            .collect()
    }

    fn ratios(&self, aggregate: &Aggregate, steps: Steps) -> Result<Vec<f64>, EvalError> {
        let ratios = self.parameter(aggregate, steps)?;
        for ratio in &ratios {
            if ratio.is_nan() {
                return Err(EvalError::execution("Ratio value is NaN"));
            }
            if !(-1.0..=1.0).contains(ratio)
                && let Some(param) = &aggregate.param
            {
                let used = ratio.clamp(-1.0, 1.0);
                self.warn(
                    param.pos,
                    &format!(
                        "ratio value should be between -1 and 1, got {ratio}, capping to {used}"
                    ),
                );
            }
        }
        Ok(ratios)
    }

    fn count_values(
        &self,
        aggregate: &Aggregate,
        groups: Vec<Group>,
        steps: Steps,
    ) -> Result<Vec<Row>, EvalError> {
        let label = match &aggregate.param {
            Some(param) => self.eval(param, steps)?.text(),
            None => String::new(),
        };
        if label.is_empty() {
            return Err(EvalError::execution(format!(
                "invalid label name {label:?}"
            )));
        }
        let mut counted = Vec::new();
        for group in groups {
            let mut places: HashMap<String, usize> = HashMap::new();
            for (step, value) in group
                .rows
                .iter()
                .flat_map(|row| row.values.iter().enumerate())
            {
                if !is_there(*value) {
                    continue;
                }
                let value = format_number(*value);
                let place = *places.entry(value).or_insert_with_key(|value| {
                    counted.push(Row {
                        labels: group.labels.with(&label, value),
                        nameless: group.nameless && label != NAME,
                        values: vec![ABSENT; steps.count],
                    });
                    counted.len() - 1
                });
                let count = &mut counted[place].values[step];
                *count = if is_there(*count) { *count + 1.0 } else { 1.0 };
            }
        }
        self.takes(counted.len() * steps.count)?;
        counted.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(counted)
    }
}

/// Deals rows out to groups, which come sorted by their labels: which one is met first differs from step to step.
fn grouped(rows: Vec<Row>, grouping: &Grouping) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    for row in rows {
        let labels = match grouping {
            Grouping::By(labels) => row.labels.filtered(|name| labels.iter().any(|l| l == name)),
            Grouping::Without(labels) => row
                .labels
                .filtered(|name| !is_of_metric(name) && labels.iter().all(|l| l != name)),
        };
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            groups.push(Group {
                labels,
                nameless: false,
                rows: Vec::new(),
            });
            groups.len() - 1
        });
        groups[place].nameless |= row.nameless;
        groups[place].rows.push(row);
    }
    groups.sort_by(|a, b| a.labels.cmp(&b.labels));
    groups
}

fn row_of(group: &Group, values: Vec<f64>) -> Row {
    Row {
        labels: group.labels.clone(),
        nameless: group.nameless,
        values,
    }
}

fn reduced(group: &Group, op: AggregateOp, steps: Steps) -> Row {
    let values = match op {
        AggregateOp::Sum => folded(group, steps, Sum::default(), Sum::add, Sum::value),
        AggregateOp::Avg => folded(group, steps, Mean::default(), Mean::add, Mean::value),
        AggregateOp::Min => folded(group, steps, f64::NAN, smaller, |value| value),
        AggregateOp::Max => folded(group, steps, f64::NAN, larger, |value| value),
        AggregateOp::Count => folded(group, steps, 0.0, |n, _| *n += 1.0, |n| n),
        AggregateOp::Stddev => {
            let deviation = |variance: Variance| variance.value().sqrt();
            folded(group, steps, Variance::default(), Variance::add, deviation)
        }
        AggregateOp::Stdvar => folded(
            group,
            steps,
            Variance::default(),
            Variance::add,
            Variance::value,
        ),
        _ => folded(group, steps, (), |(), _| (), |()| 1.0),
    };
    row_of(group, values)
}

/// Puts each step's values into a state of its own, series by series.
fn folded<S: Copy>(
    group: &Group,
    steps: Steps,
    empty: S,
    add: impl Fn(&mut S, f64),
    value: impl Fn(S) -> f64,
) -> Vec<f64> {
    let mut states: Vec<Option<S>> = vec![None; steps.count];
    for row in &group.rows {
        for (state, value) in states.iter_mut().zip(&row.values) {
            if is_there(*value) {
                add(state.get_or_insert(empty), *value);
            }
        }
    }
    states
        .into_iter()
        .map(|state| state.map_or(ABSENT, &value))
        .collect()
}

fn smaller(best: &mut f64, value: f64) {
    if value < *best || best.is_nan() {
        *best = value;
    }
}

fn larger(best: &mut f64, value: f64) {
    if value > *best || best.is_nan() {
        *best = value;
    }
}

fn quantile_of(group: &Group, quantiles: &[f64]) -> Row {
    let at = |(step, q): (usize, &f64)| {
        let there = group
            .rows
            .iter()
            .map(|row| row.values[step])
            .filter(|v| is_there(*v));
        let there: Vec<f64> = there.collect();
        if there.is_empty() {
            ABSENT
        } else {
            quantile(*q, there)
        }
    };
    row_of(group, quantiles.iter().enumerate().map(at).collect())
}

/// Keeps the `count` largest or smallest values of each step; rows come in that order for a query at one moment.
fn best(mut group: Group, op: AggregateOp, count: &[usize]) -> Vec<Row> {
    let largest = op == AggregateOp::Topk;
    let mut order: Vec<usize> = Vec::new();
    for (step, count) in count.iter().enumerate() {
        order = (0..group.rows.len())
            .filter(|at| is_there(group.rows[*at].values[step]))
            .collect();
        order.sort_by(|a, b| {
            let (a, b) = (group.rows[*a].values[step], group.rows[*b].values[step]);
            match (a.is_nan(), b.is_nan()) {
                (true, true) => std::cmp::Ordering::Equal,
                (true, false) => std::cmp::Ordering::Greater,
                (false, true) => std::cmp::Ordering::Less,
                (false, false) if largest => b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal),
                (false, false) => a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal),
            }
        });
        for at in order.drain(..).skip(*count).collect::<Vec<_>>() {
            group.rows[at].values[step] = ABSENT;
        }
    }
    drop(order);
    if count.len() == 1 {
        super::label::sorted_by_value(&mut group.rows, largest);
    }
    group.rows
}

/// Keeps the first `count` series of each step.
fn firsts(mut group: Group, count: &[usize]) -> Vec<Row> {
    for (step, count) in count.iter().enumerate() {
        let there = group
            .rows
            .iter_mut()
            .filter(|row| is_there(row.values[step]));
        for row in there.skip(*count) {
            row.values[step] = ABSENT;
        }
    }
    group.rows
}

/// Keeps a share of the series, always the same ones: those below the ratio, or for a negative one the others.
fn sampled(mut group: Group, ratios: &[f64]) -> Vec<Row> {
    for row in &mut group.rows {
        let mut hasher = DefaultHasher::new();
        row.labels.hash(&mut hasher);
        let place = hasher.finish() as f64 / u64::MAX as f64;
        row.map(|step, value| {
            let ratio = ratios[step].clamp(-1.0, 1.0);
            let kept = if ratio >= 0.0 {
                place < ratio
            } else {
                place >= 1.0 + ratio
            };
            if kept { value } else { ABSENT }
        });
    }
    group.rows
}
