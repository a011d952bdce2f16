//! Series to the body of a remote-write request.

use model::observe::{Sample, Series};

use super::protobuf::Writer;

/// Writes a request body; times are cut to milliseconds, values keep their bits.
///
/// The caller splits what is larger than [`model::limit::SAMPLES_BYTES`] when decompressed; a server
/// refuses it.
pub fn encode(series: &[Series]) -> Vec<u8> {
    let mut request = Writer::default();
    for one in series {
        request.element(1, &time_series(one));
    }
    snap::raw::Encoder::new()
        .compress_vec(&request.0)
        .expect("a request in memory is below snappy's bound of 4 GiB")
}

fn time_series(series: &Series) -> Vec<u8> {
    let mut message = Writer::default();
    for (name, value) in series.labels.iter() {
        let mut label = Writer::default();
        label.text(1, name);
        label.text(2, value);
        message.element(1, &label.0);
    }
    for sample in &series.samples {
        message.element(2, &one_sample(*sample));
    }
    message.0
}

fn one_sample(sample: Sample) -> Vec<u8> {
    let mut message = Writer::default();
    message.double(1, sample.value);
    message.int64(2, sample.at.as_millis());
    message.0
}
