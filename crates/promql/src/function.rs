//! The functions: what they take, what they return, and what they do.

use crate::ast::ValueType::{self, Range, Scalar, Text, Vector};
use crate::eval::{calendar, math, over_time, rate};

/// Is a function of the language.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) args: &'static [ValueType],
    /// How many of the last arguments may be missing.
    pub(crate) optional: usize,
    /// The last argument may come any number of times, or never.
    pub(crate) repeats: bool,
    pub(crate) returns: ValueType,
    pub(crate) does: Does,
}

/// Is how a function is carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// One value of each series at each step, by itself; the other arguments are scalars.
    Map(fn(f64, &[f64]) -> f64),
    /// As `Map`, by the moment the value stands for; by default that of the step.
    Calendar(fn(i64) -> f64),
    /// The samples of a window of each series; the other arguments are scalars. The name of the metric goes.
    Window(over_time::Fold),
    /// As `Window`, and the result is still a value of the metric.
    Pick(over_time::Fold),
    /// How a counter or gauge grew in a window.
    Growth(rate::Growth),
    QuantileOverTime,
    Smoothing,
    AbsentOverTime,
    Absent,
    Clamp,
    ClampMin,
    ClampMax,
    Scalar,
    Vector,
    Time,
    Timestamp,
    Pi,
    /// The start, the end, the step or the length of the query, in seconds.
    Start,
    End,
    Step,
    Length,
    MinOf,
    MaxOf,
    Sort {
        descending: bool,
    },
    SortByLabel {
        descending: bool,
    },
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
    HistogramQuantiles,
    HistogramFraction,
    /// A function that knows native histograms only: samples that are numbers are left out.
    OfHistograms,
}

const fn function(
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
    does: Does,
) -> Function {
    Function {
        name,
        args,
        optional: 0,
        repeats: false,
        returns,
        does,
    }
}

const fn optional(by: usize, function: Function) -> Function {
    Function {
        optional: by,
        ..function
    }
}

const fn repeats(function: Function) -> Function {
    Function {
        repeats: true,
        ..function
    }
}

const fn map(name: &'static str, does: fn(f64, &[f64]) -> f64) -> Function {
    function(name, &[Vector], Vector, Does::Map(does))
}

const fn calendar(name: &'static str, does: fn(i64) -> f64) -> Function {
    optional(1, function(name, &[Vector], Vector, Does::Calendar(does)))
}

const fn window(name: &'static str, does: over_time::Fold) -> Function {
    function(name, &[Range], Vector, Does::Window(does))
}

/// Returns the function of that name; names are told apart by case.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Functions of the language that are not built here.
pub(crate) const UNSUPPORTED: [&str; 2] = ["info", "start_timestamp"];

static FUNCTIONS: &[Function] = &[
    map("abs", |v, _| v.abs()),
    function("absent", &[Vector], Vector, Does::Absent),
    function("absent_over_time", &[Range], Vector, Does::AbsentOverTime),
    map("acos", |v, _| v.acos()),
    map("acosh", |v, _| v.acosh()),
    map("asin", |v, _| v.asin()),
    map("asinh", |v, _| v.asinh()),
    map("atan", |v, _| v.atan()),
    map("atanh", |v, _| v.atanh()),
    window("avg_over_time", over_time::avg),
    map("ceil", |v, _| v.ceil()),
    window("changes", over_time::changes),
    function("clamp", &[Vector, Scalar, Scalar], Vector, Does::Clamp),
    function("clamp_max", &[Vector, Scalar], Vector, Does::ClampMax),
    function("clamp_min", &[Vector, Scalar], Vector, Does::ClampMin),
    map("cos", |v, _| v.cos()),
    map("cosh", |v, _| v.cosh()),
    window("count_over_time", over_time::count),
    calendar("day_of_month", calendar::day_of_month),
    calendar("day_of_week", calendar::day_of_week),
    calendar("day_of_year", calendar::day_of_year),
    calendar("days_in_month", calendar::days_in_month),
    map("deg", |v, _| v.to_degrees()),
    function("delta", &[Range], Vector, Does::Growth(rate::Growth::Delta)),
    window("deriv", rate::deriv),
    function(
        "double_exponential_smoothing",
        &[Range, Scalar, Scalar],
        Vector,
        Does::Smoothing,
    ),
    function("end", &[], Scalar, Does::End),
    map("exp", |v, _| v.exp()),
    function(
        "first_over_time",
        &[Range],
        Vector,
        Does::Pick(over_time::first),
    ),
    map("floor", |v, _| v.floor()),
    function("histogram_avg", &[Vector], Vector, Does::OfHistograms),
    function("histogram_count", &[Vector], Vector, Does::OfHistograms),
    function(
        "histogram_fraction",
        &[Scalar, Scalar, Vector],
        Vector,
        Does::HistogramFraction,
    ),
    function(
        "histogram_quantile",
        &[Scalar, Vector],
        Vector,
        Does::HistogramQuantile,
    ),
    repeats(function(
        "histogram_quantiles",
        &[Vector, Text, Scalar],
        Vector,
        Does::HistogramQuantiles,
    )),
    function("histogram_stddev", &[Vector], Vector, Does::OfHistograms),
    function("histogram_stdvar", &[Vector], Vector, Does::OfHistograms),
    function("histogram_sum", &[Vector], Vector, Does::OfHistograms),
    // As older rule files call `double_exponential_smoothing`.
    function(
        "holt_winters",
        &[Range, Scalar, Scalar],
        Vector,
        Does::Smoothing,
    ),
    calendar("hour", calendar::hour),
    function(
        "idelta",
        &[Range],
        Vector,
        Does::Growth(rate::Growth::LastDelta),
    ),
    function(
        "increase",
        &[Range],
        Vector,
        Does::Growth(rate::Growth::Increase),
    ),
    function(
        "irate",
        &[Range],
        Vector,
        Does::Growth(rate::Growth::LastRate),
    ),
    repeats(function(
        "label_join",
        &[Vector, Text, Text, Text],
        Vector,
        Does::LabelJoin,
    )),
    function(
        "label_replace",
        &[Vector, Text, Text, Text, Text],
        Vector,
        Does::LabelReplace,
    ),
    function(
        "last_over_time",
        &[Range],
        Vector,
        Does::Pick(over_time::last),
    ),
    map("ln", |v, _| v.ln()),
    map("log10", |v, _| v.log10()),
    map("log2", |v, _| v.log2()),
    window("mad_over_time", over_time::mad),
    repeats(function("max_of", &[Scalar, Scalar], Scalar, Does::MaxOf)),
    window("max_over_time", over_time::max),
    repeats(function("min_of", &[Scalar, Scalar], Scalar, Does::MinOf)),
    window("min_over_time", over_time::min),
    calendar("minute", calendar::minute),
    calendar("month", calendar::month),
    function("pi", &[], Scalar, Does::Pi),
    function(
        "predict_linear",
        &[Range, Scalar],
        Vector,
        Does::Window(rate::predict_linear),
    ),
    window("present_over_time", over_time::present),
    function(
        "quantile_over_time",
        &[Scalar, Range],
        Vector,
        Does::QuantileOverTime,
    ),
    map("rad", |v, _| v.to_radians()),
    function("range", &[], Scalar, Does::Length),
    function("rate", &[Range], Vector, Does::Growth(rate::Growth::Rate)),
    window("resets", over_time::resets),
    optional(
        1,
        function("round", &[Vector, Scalar], Vector, Does::Map(math::round)),
    ),
    function("scalar", &[Vector], Scalar, Does::Scalar),
    map("sgn", math::sgn),
    map("sin", |v, _| v.sin()),
    map("sinh", |v, _| v.sinh()),
    function("sort", &[Vector], Vector, Does::Sort { descending: false }),
    repeats(function(
        "sort_by_label",
        &[Vector, Text],
        Vector,
        Does::SortByLabel { descending: false },
    )),
    repeats(function(
        "sort_by_label_desc",
        &[Vector, Text],
        Vector,
        Does::SortByLabel { descending: true },
    )),
    function(
        "sort_desc",
        &[Vector],
        Vector,
        Does::Sort { descending: true },
    ),
    map("sqrt", |v, _| v.sqrt()),
    function("start", &[], Scalar, Does::Start),
    window("stddev_over_time", over_time::stddev),
    window("stdvar_over_time", over_time::stdvar),
    function("step", &[], Scalar, Does::Step),
    window("sum_over_time", over_time::sum),
    map("tan", |v, _| v.tan()),
    map("tanh", |v, _| v.tanh()),
    function("time", &[], Scalar, Does::Time),
    function("timestamp", &[Vector], Vector, Does::Timestamp),
    window("ts_of_first_over_time", over_time::ts_of_first),
    window("ts_of_last_over_time", over_time::ts_of_last),
    window("ts_of_max_over_time", over_time::ts_of_max),
    window("ts_of_min_over_time", over_time::ts_of_min),
    function("vector", &[Scalar], Vector, Does::Vector),
    calendar("year", calendar::year),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let mut names: Vec<&str> = FUNCTIONS.iter().map(|f| f.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
