//! As much of the protobuf wire format as remote write needs.
//!
//! Source: protobuf.dev, "Encoding". Groups (wire types 3 and 4) are refused: proto3 has none.

/// Says where a message cannot be read and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {offset} of the decompressed message")]
pub struct Malformed {
    pub offset: usize,
    pub fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the message ends in the middle of a field")]
    Truncated,
    #[error("a varint is over 64 bits")]
    VarintOverflow,
    #[error("a field has no number or one over 2^29")]
    FieldNumber,
    #[error("wire type {0}, which no field of remote write has")]
    WireType(u8),
}

/// Is one field as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    pub number: u32,
    pub value: Value<'a>,
    /// Where the field begins in the whole message.
    offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(Reader<'a>),
    Fixed32,
}

impl<'a> Field<'a> {
    pub(super) fn message(&self) -> Result<Reader<'a>, Malformed> {
        match self.value {
            Value::Bytes(inner) => Ok(inner),
            _ => Err(self.wrong_type()),
        }
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], Malformed> {
        self.message().map(|inner| inner.rest)
    }

    pub(super) fn double(&self) -> Result<f64, Malformed> {
        match self.value {
            Value::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(self.wrong_type()),
        }
    }

    pub(super) fn int64(&self) -> Result<i64, Malformed> {
        match self.value {
            Value::Varint(bits) => Ok(bits.cast_signed()),
            _ => Err(self.wrong_type()),
        }
    }

    fn wrong_type(&self) -> Malformed {
        let wire_type = match self.value {
            Value::Varint(_) => 0,
            Value::Fixed64(_) => 1,
            Value::Bytes(_) => 2,
            Value::Fixed32 => 5,
        };
        Malformed {
            offset: self.offset,
            fault: Fault::WireType(wire_type),
        }
    }
}

/// Walks over the fields of one message; remembers where in the whole request it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: message,
            offset: 0,
        }
    }

    /// Returns the next field, or nothing at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = self.offset;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3)
            .ok()
            .filter(|number| (1..1 << 29).contains(number))
            .ok_or(Malformed {
                offset,
                fault: Fault::FieldNumber,
            })?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Value::Bytes(self.block()?),
            5 => self.array::<4>().map(|_| Value::Fixed32)?,
            // The mask leaves three bits, so the cast keeps them all.
            other => return Err(at(offset, Fault::WireType(other as u8))),
        };
        Ok(Some(Field {
            number,
            value,
            offset,
        }))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let start = self.offset;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(at(start, Fault::VarintOverflow))
    }

    fn block(&mut self) -> Result<Reader<'a>, Malformed> {
        let start = self.offset;
        let length = self.varint()?;
        let truncated = at(start, Fault::Truncated);
        let length = usize::try_from(length).map_err(|_| truncated)?;
        let offset = self.offset;
        let rest = self.take(length).ok_or(truncated)?;
        Ok(Reader { rest, offset })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let truncated = at(self.offset, Fault::Truncated);
        let bytes = self.take(N).ok_or(truncated)?;
        Ok(bytes.try_into().expect("N bytes were taken"))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        self.offset += length;
        Some(taken)
    }
}

fn at(offset: usize, fault: Fault) -> Malformed {
    Malformed { offset, fault }
}

/// Appends fields to a message; zeros and empty texts are left out, as proto3 does.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    /// Writes a field of bytes even when they are empty: the elements of a repeated field count.
    pub(super) fn element(&mut self, number: u32, bytes: &[u8]) {
        self.tag(number, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, number: u32, text: &str) {
        if !text.is_empty() {
            self.element(number, text.as_bytes());
        }
    }

    pub(super) fn double(&mut self, number: u32, value: f64) {
        // Minus zero equals zero but has bits of its own, which must arrive.
        if value.to_bits() != 0 {
            self.tag(number, 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn int64(&mut self, number: u32, value: i64) {
        if value != 0 {
            self.tag(number, 0);
            self.varint(value.cast_unsigned());
        }
    }

    fn tag(&mut self, number: u32, wire_type: u32) {
        self.varint(u64::from(number << 3 | wire_type));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
