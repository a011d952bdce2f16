//! The samples of one script.

use std::collections::{BTreeMap, BTreeSet};

use std::ops::Bound::{Excluded, Included};

use super::HISTOGRAMS;
use super::points::Sample;
use super::read::Load;
use crate::error::SourceError;
use crate::eval::{Series, Source};
use crate::labels::Labels;
use crate::matcher::Matcher;

#[derive(Default)]
pub(super) struct Memory {
    series: BTreeMap<Labels, BTreeMap<i64, Sample>>,
    with_starts: BTreeSet<Labels>,
}

impl Memory {
    pub(super) fn load(&mut self, load: Load) {
        self.with_starts.extend(load.with_starts);
        for (labels, samples) in load.series {
            let points = samples.into_iter().enumerate().filter_map(|(at, sample)| {
                let time = load.step_ms.checked_mul(i64::try_from(at).ok()?)?;
                Some((time, sample?))
            });
            let points: Vec<(i64, Sample)> = points.collect();
            if load.makes_histograms {
                self.mark_histogram(&labels, &points);
            }
            self.series.entry(labels).or_default().extend(points);
        }
    }

    /// Notes that a classic histogram is there as a native one as well, with its buckets as they are.
    fn mark_histogram(&mut self, labels: &Labels, points: &[(i64, Sample)]) {
        let name = labels.name();
        let base = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        if let Some(base) = base {
            let labels = labels
                .filtered(|label| label != "le")
                .with(crate::NAME, base);
            let marks = points.iter().map(|(time, _)| (*time, Sample::Histogram));
            self.series.entry(labels).or_default().extend(marks);
        }
    }
}

impl Source for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        after_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<Series>, SourceError> {
        let mut found = Vec::new();
        for (labels, samples) in &self.series {
            if !matchers
                .iter()
                .all(|matcher| matcher.matches(labels.get(&matcher.label)))
            {
                continue;
            }
            if self.with_starts.contains(labels) {
                return Err(SourceError::Unsupported("start timestamps"));
            }
            let mut series = Series {
                labels: labels.clone(),
                ..Series::default()
            };
            let inside = samples.range((Excluded(after_ms), Included(until_ms.max(after_ms))));
            for (time, sample) in inside {
                match sample {
                    Sample::Number(value) => {
                        series.times.push(*time);
                        series.values.push(*value);
                    }
                    Sample::Histogram => return Err(SourceError::Unsupported(HISTOGRAMS)),
                }
            }
            found.push(series);
        }
        Ok(found)
    }
}
