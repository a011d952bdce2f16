//! The body of a remote-write request to series.

use model::observe::{Sample, Series};
use model::{Labels, Timestamp, limit};

use super::protobuf::{Field, Malformed, Reader};

/// Says why a body as a whole cannot be taken; the sender should not send it again.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// The one that HTTP calls 413.
    #[error(
        "the request says it has {declared_bytes} bytes when decompressed; at most {} are taken, \
         send smaller batches",
        limit::SAMPLES_BYTES
    )]
    TooLarge { declared_bytes: usize },
    #[error(
        "more than {} series in one request; send smaller batches",
        limit::SERIES
    )]
    TooManySeries,
    #[error("the body is no snappy block: {0}")]
    Snappy(#[from] snap::Error),
    #[error("the request is no remote write 1.0: {0}")]
    Malformed(#[from] Malformed),
    /// Only from [`decode`], which takes all series or none.
    #[error("{} of the request's series were refused; the first because {}", .0.series, .0.first)]
    Refused(Refused),
}

/// Is what a request holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// In the order of the request; the same label set may come twice.
    pub series: Vec<Series>,
    /// Nothing when every series was taken.
    pub refused: Option<Refused>,
    pub skipped: Skipped,
}

/// Counts the series whose labels cannot be taken; their neighbours are not harmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// At least 1.
    pub series: u64,
    /// The samples that stood in them.
    pub samples: u64,
    /// Why the first one was refused, with the label's name.
    pub first: String,
}

/// Counts what we read over because nothing here looks at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    pub exemplars: u64,
    pub histograms: u64,
    pub metadata: u64,
}

/// Reads a request, all or nothing: for senders that make no mistakes, such as our own agent.
///
/// # Errors
/// As [`decode_request`], and when one series is refused.
pub fn decode(body: &[u8]) -> Result<Vec<Series>, DecodeError> {
    let request = decode_request(body)?;
    match request.refused {
        None => Ok(request.series),
        Some(refused) => Err(DecodeError::Refused(refused)),
    }
}

/// Reads a request and keeps what is good in it: labels are sorted, empty ones removed.
///
/// A series is refused when a label stands twice, when it has no `__name__`, or when a name or value is
/// not UTF-8 or over its limit.
///
/// # Errors
/// Bytes that are no request at all, or more than the limits allow; nothing of it is taken then.
pub fn decode_request(body: &[u8]) -> Result<Request, DecodeError> {
    let message = decompress(body)?;
    let mut reader = Reader::new(&message);
    let mut request = Request::default();
    while let Some(field) = reader.next()? {
        match field.number {
            1 => take_series(&field, &mut request)?,
            3 => request.skipped.metadata += 1,
            _ => {}
        }
    }
    Ok(request)
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, DecodeError> {
    // Before anything is reserved: a few bytes can declare 4 GiB.
    let declared_bytes = snap::raw::decompress_len(body)?;
    if declared_bytes > limit::SAMPLES_BYTES {
        return Err(DecodeError::TooLarge { declared_bytes });
    }
    Ok(snap::raw::Decoder::new().decompress_vec(body)?)
}

fn take_series(field: &Field<'_>, request: &mut Request) -> Result<(), DecodeError> {
    let (found, samples) = time_series(field.message()?, &mut request.skipped)?;
    match labels(found) {
        // A series is two bytes on the wire and hundreds in memory, so the size alone is no limit.
        Ok(_) if request.series.len() >= limit::SERIES => return Err(DecodeError::TooManySeries),
        Ok(labels) => request.series.push(Series { labels, samples }),
        Err(why) => refuse(&mut request.refused, why, samples.len()),
    }
    Ok(())
}

fn refuse(refused: &mut Option<Refused>, why: String, samples: usize) {
    let refused = refused.get_or_insert(Refused {
        series: 0,
        samples: 0,
        first: why,
    });
    refused.series += 1;
    refused.samples += samples as u64;
}

/// Is the labels of one series as they came, before they are checked.
#[derive(Default)]
struct Found<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
    too_many: bool,
}

fn time_series<'a>(
    mut reader: Reader<'a>,
    skipped: &mut Skipped,
) -> Result<(Found<'a>, Vec<Sample>), Malformed> {
    let mut found = Found::default();
    let mut samples = Vec::new();
    while let Some(field) = reader.next()? {
        match field.number {
            1 if found.pairs.len() < limit::LABELS => found.pairs.push(pair(field.message()?)?),
            1 => found.too_many = true,
            2 => samples.push(sample(field.message()?)?),
            3 => skipped.exemplars += 1,
            4 => skipped.histograms += 1,
            _ => {}
        }
    }
    Ok((found, samples))
}

fn pair(mut reader: Reader<'_>) -> Result<(&[u8], &[u8]), Malformed> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    while let Some(field) = reader.next()? {
        match field.number {
            1 => name = field.bytes()?,
            2 => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

fn sample(mut reader: Reader<'_>) -> Result<Sample, Malformed> {
    let (mut value, mut at_ms) = (0.0, 0);
    while let Some(field) = reader.next()? {
        match field.number {
            1 => value = field.double()?,
            2 => at_ms = field.int64()?,
            _ => {}
        }
    }
    Ok(Sample {
        at: Timestamp::from_millis(at_ms),
        value,
    })
}

fn labels(found: Found<'_>) -> Result<Labels, String> {
    if found.too_many {
        return Err(format!("it has more than {} labels", limit::LABELS));
    }
    let mut pairs = found
        .pairs
        .into_iter()
        .map(|(name, value)| Ok((text(name)?, text(value)?)))
        .collect::<Result<Vec<_>, String>>()?;
    pairs.sort_unstable();
    if let Some(twice) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
        return Err(format!(
            "label `{}` stands there twice",
            twice[0].0.escape_debug()
        ));
    }
    let labels = Labels::new(pairs)?;
    if labels.get("__name__").is_empty() {
        return Err(format!("{labels} has no `__name__`"));
    }
    Ok(labels)
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| {
        let seen = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
        format!("`{}` is not UTF-8", seen.escape_debug())
    })
}
