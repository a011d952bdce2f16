//! Calls of functions.

use super::label;
use super::over_time;
use super::row::{ABSENT, Column, Row, is_there, present};
use super::smoothing::smoothed;
use super::sum::quantile;
use super::{Evaluator, Steps};
use crate::NAME;
use crate::ast::{Expr, Node};
use crate::error::EvalError;
use crate::function::{Does, Function};
use crate::labels::Labels;
use crate::matcher::{Matcher, Op};

impl Evaluator<'_> {
    pub(super) fn call(
        &self,
        expr: &Expr,
        function: &Function,
        args: &[Expr],
        steps: Steps,
    ) -> Result<Column, EvalError> {
        if function.name == "holt_winters" {
            self.info(
                expr.pos,
                "holt_winters is called double_exponential_smoothing now",
            );
        }
        let rows = match function.does {
            Does::Map(map) => self.mapped(args, steps, map)?,
            Does::Calendar(part) => self.calendar(args, steps, part)?,
            Does::Window(fold) => self.folded(args, steps, false, fold)?,
            Does::Pick(fold) => self.folded(args, steps, true, fold)?,
            Does::Growth(_) => self.growth(function.does, args, steps)?,
            Does::QuantileOverTime => self.quantile_over_time(args, steps)?,
            Does::Smoothing => self.smoothing(args, steps)?,
            Does::AbsentOverTime => self.absent_over_time(args, steps)?,
            Does::Absent => self.absent(args, steps)?,
            Does::Clamp | Does::ClampMin | Does::ClampMax => {
                self.clamp(function.does, args, steps)?
            }
            Does::Vector => {
                let values = self.scalar(&args[0], steps)?;
                vec![unlabelled(values)]
            }
            Does::Timestamp => self.timestamp(args, steps)?,
            Does::Sort { descending } => self.sort(expr, args, steps, descending)?,
            Does::SortByLabel { descending } => {
                self.sort_by_label(expr, args, steps, descending)?
            }
            Does::LabelReplace => self.label_replace(args, steps)?,
            Does::LabelJoin => self.label_join(args, steps)?,
            Does::HistogramQuantile => self.histogram_quantile(args, steps)?,
            Does::HistogramQuantiles => self.histogram_quantiles(args, steps)?,
            Does::HistogramFraction => self.histogram_fraction(args, steps)?,
            Does::OfHistograms => {
                self.rows(&args[0], steps)?;
                Vec::new()
            }
            Does::Scalar
            | Does::Time
            | Does::Pi
            | Does::Start
            | Does::End
            | Does::Step
            | Does::Length
            | Does::MinOf
            | Does::MaxOf => return self.number(function.does, args, steps).map(Column::Scalar),
        };
        Ok(Column::Rows(present(rows)))
    }

    /// Calls a function that answers with a scalar.
    fn number(&self, does: Does, args: &[Expr], steps: Steps) -> Result<Vec<f64>, EvalError> {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let constant = |value: f64| Ok(vec![value; steps.count]);
        let query = self.query;
        match does {
            Does::Pi => constant(std::f64::consts::PI),
            Does::Start => constant(seconds(query.start_ms)),
            Does::End => constant(seconds(query.end_ms)),
            Does::Step => constant(seconds(query.step_ms.unwrap_or(0))),
            Does::Length => constant(seconds(query.end_ms - query.start_ms)),
            Does::Scalar => self.only_value(&args[0], steps),
            Does::MinOf => self.best_of(args, steps, |value, best| value < best),
            Does::MaxOf => self.best_of(args, steps, |value, best| value > best),
            _ => Ok(steps.times().map(seconds).collect()),
        }
    }

    fn only_value(&self, arg: &Expr, steps: Steps) -> Result<Vec<f64>, EvalError> {
        let rows = self.rows(arg, steps)?;
        let only = |step: usize| {
            let mut there = rows
                .iter()
                .map(|row| row.values[step])
                .filter(|v| is_there(*v));
            match (there.next(), there.next()) {
                (Some(value), None) => value,
                _ => f64::NAN,
            }
        };
        Ok((0..steps.count).map(only).collect())
    }

    fn best_of(
        &self,
        args: &[Expr],
        steps: Steps,
        better: impl Fn(f64, f64) -> bool,
    ) -> Result<Vec<f64>, EvalError> {
        let columns = self.scalars(args, steps)?;
        let best = |step: usize| {
            let values = columns.iter().map(|column| column[step]);
            values
                .reduce(|best, value| {
                    if better(value, best) || value.is_nan() {
                        value
                    } else {
                        best
                    }
                })
                .unwrap_or(f64::NAN)
        };
        Ok((0..steps.count).map(best).collect())
    }

    fn scalars(&self, args: &[Expr], steps: Steps) -> Result<Vec<Vec<f64>>, EvalError> {
        args.iter().map(|arg| self.scalar(arg, steps)).collect()
    }

    fn text(&self, arg: &Expr, steps: Steps) -> Result<String, EvalError> {
        Ok(self.eval(arg, steps)?.text())
    }

    fn mapped(
        &self,
        args: &[Expr],
        steps: Steps,
        map: fn(f64, &[f64]) -> f64,
    ) -> Result<Vec<Row>, EvalError> {
        let params = self.scalars(&args[1..], steps)?;
        let mut here = vec![0.0; params.len()];
        let mut rows = self.rows(&args[0], steps)?;
        for row in &mut rows {
            row.nameless = true;
            row.map(|step, value| {
                for (value, column) in here.iter_mut().zip(&params) {
                    *value = column[step];
                }
                map(value, &here)
            });
        }
        Ok(rows)
    }

    fn calendar(
        &self,
        args: &[Expr],
        steps: Steps,
        part: fn(i64) -> f64,
    ) -> Result<Vec<Row>, EvalError> {
        let mut rows = match args.first() {
            Some(arg) => self.rows(arg, steps)?,
            None => vec![unlabelled(
                steps.times().map(|ms| ms as f64 / 1000.0).collect(),
            )],
        };
        for row in &mut rows {
            row.nameless = true;
            row.map(|_, seconds| match seconds.is_nan() {
                true => f64::NAN,
                false => part(seconds.clamp(-1e14, 1e14) as i64),
            });
        }
        Ok(rows)
    }

    /// Splits arguments into the window and the scalars beside it.
    fn folded(
        &self,
        args: &[Expr],
        steps: Steps,
        keeps_name: bool,
        fold: over_time::Fold,
    ) -> Result<Vec<Row>, EvalError> {
        let params = self.scalars(&args[1..], steps)?;
        let windows = self.windows(&args[0], steps)?;
        Ok(windows.folded(steps, &params, keeps_name, fold))
    }

    fn growth(&self, does: Does, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let Does::Growth(growth) = does else {
            return Ok(Vec::new());
        };
        let windows = self.windows(&args[0], steps)?;
        let rows = windows.folded(steps, &[], false, |window| growth.of(window));
        if growth.wants_counter() {
            let looks_like_one = |name: &str| {
                ["_total", "_sum", "_count", "_bucket"]
                    .iter()
                    .any(|end| name.ends_with(end))
            };
            for name in rows.iter().map(|row| row.labels.name()) {
                if !name.is_empty() && !looks_like_one(name) {
                    let what = format!(
                        "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
                    );
                    self.info(args[0].pos, &what);
                }
            }
        }
        Ok(rows)
    }

    fn quantile_over_time(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let params = self.scalars(&args[..1], steps)?;
        self.warn_of_quantiles(&args[0], &params[0]);
        let windows = self.windows(&args[1], steps)?;
        Ok(windows.folded(steps, &params, false, |window| {
            Some(quantile(window.params[0], window.values.to_vec()))
        }))
    }

    pub(super) fn warn_of_quantiles(&self, arg: &Expr, values: &[f64]) {
        for value in values {
            if !(0.0..=1.0).contains(value) {
                let value = crate::format_number(*value);
                self.warn(
                    arg.pos,
                    &format!("quantile value should be between 0 and 1, got {value}"),
                );
            }
        }
    }

    fn smoothing(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let params = self.scalars(&args[1..], steps)?;
        let windows = self.windows(&args[0], steps)?;
        let refused = std::cell::RefCell::new(None);
        let rows = windows.folded(steps, &params, false, |window| {
            smoothed(window).unwrap_or_else(|why| {
                *refused.borrow_mut() = Some(why);
                None
            })
        });
        match refused.into_inner() {
            Some(why) => Err(EvalError::Execution(why)),
            None => Ok(rows),
        }
    }

    fn absent_over_time(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let windows = self.windows(&args[0], steps)?;
        let there = windows.folded(steps, &[], false, over_time::present);
        Ok(vec![absence(&args[0], &there, steps)])
    }

    fn absent(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let there = self.rows(&args[0], steps)?;
        Ok(vec![absence(&args[0], &there, steps)])
    }

    fn clamp(&self, does: Does, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let params = self.scalars(&args[1..], steps)?;
        let mut rows = self.rows(&args[0], steps)?;
        for row in &mut rows {
            row.nameless = true;
            row.map(|step, value| {
                let here = |param: usize| params[param][step];
                match does {
                    Does::ClampMin => at_least(value, here(0)),
                    Does::ClampMax => at_most(value, here(0)),
                    _ if here(0) > here(1) => ABSENT,
                    _ => at_least(at_most(value, here(1)), here(0)),
                }
            });
        }
        Ok(rows)
    }

    fn timestamp(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let mut rows = match &args[0].inner().node {
            Node::Vector(selector) => self.instant_times(selector, steps)?,
            _ => {
                let mut rows = self.rows(&args[0], steps)?;
                for row in &mut rows {
                    row.map(|step, _| steps.at(step) as f64 / 1000.0);
                }
                rows
            }
        };
        for row in &mut rows {
            row.nameless = true;
        }
        Ok(rows)
    }

    fn sort(
        &self,
        expr: &Expr,
        args: &[Expr],
        steps: Steps,
        descending: bool,
    ) -> Result<Vec<Row>, EvalError> {
        let mut rows = self.rows(&args[0], steps)?;
        if self.is_instant() {
            label::sorted_by_value(&mut rows, descending);
        } else {
            self.warn(expr.pos, SORT_IS_VAIN);
        }
        Ok(rows)
    }

    fn sort_by_label(
        &self,
        expr: &Expr,
        args: &[Expr],
        steps: Steps,
        descending: bool,
    ) -> Result<Vec<Row>, EvalError> {
        let labels: Result<Vec<String>, EvalError> =
            args[1..].iter().map(|arg| self.text(arg, steps)).collect();
        let (labels, mut rows) = (labels?, self.rows(&args[0], steps)?);
        if self.is_instant() {
            label::sorted(&mut rows, &labels, descending);
        } else {
            self.warn(expr.pos, SORT_IS_VAIN);
        }
        Ok(rows)
    }

    fn label_replace(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let text = |at: usize| self.text(&args[at], steps);
        let (target, replacement, source, pattern) = (text(1)?, text(2)?, text(3)?, text(4)?);
        let rows = self.rows(&args[0], steps)?;
        label::replace(rows, [&target, &replacement, &source, &pattern])
    }

    fn label_join(&self, args: &[Expr], steps: Steps) -> Result<Vec<Row>, EvalError> {
        let texts: Result<Vec<String>, EvalError> =
            args[1..].iter().map(|arg| self.text(arg, steps)).collect();
        let (texts, rows) = (texts?, self.rows(&args[0], steps)?);
        label::join(rows, &texts[0], &texts[1], &texts[2..])
    }
}

const SORT_IS_VAIN: &str =
    "sort is ineffective for range queries since results are always ordered by labels";

fn unlabelled(values: Vec<f64>) -> Row {
    Row {
        labels: Labels::default(),
        nameless: false,
        values,
    }
}

fn at_least(value: f64, least: f64) -> f64 {
    if value.is_nan() || least.is_nan() {
        f64::NAN
    } else {
        value.max(least)
    }
}

fn at_most(value: f64, most: f64) -> f64 {
    if value.is_nan() || most.is_nan() {
        f64::NAN
    } else {
        value.min(most)
    }
}

/// Returns 1 where no row has a value, with the labels a selector names by `=`.
fn absence(arg: &Expr, rows: &[Row], steps: Steps) -> Row {
    let none = |step: usize| rows.iter().all(|row| !is_there(row.values[step]));
    let values = (0..steps.count).map(|step| if none(step) { 1.0 } else { ABSENT });
    let matchers: &[Matcher] = match &arg.inner().node {
        Node::Vector(selector) | Node::Range { selector, .. } => &selector.matchers,
        _ => &[],
    };
    let named = matchers.iter().filter(|matcher| {
        let times = matchers
            .iter()
            .filter(|other| other.label == matcher.label)
            .count();
        matcher.op == Op::Equal && matcher.label != NAME && times == 1
    });
    Row {
        labels: Labels::new(named.map(|m| (m.label.as_str(), m.value.as_str()))),
        nameless: false,
        values: values.collect(),
    }
}
