//! Netlink attributes: type, length, value, padded to four bytes, nested or not. Knows nothing of IPVS.

/// The reason why something couldn't be read.
pub(crate) type Reason = &'static str;

const HEADER: usize = 4;
/// Flag in the type: the value is attributes.
const NESTED: u16 = 0x8000;
/// The bits of the type that are the type.
const TYPE: u16 = 0x3fff;

pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Appends an attribute. A value longer than an attribute can be is cut (ours are below 64 bytes).
pub(crate) fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX) - HEADER)];
    put_with(out, kind, |out| out.extend_from_slice(value));
}

/// Appends a string with the NUL that ends it.
pub(crate) fn put_text(out: &mut Vec<u8>, kind: u16, text: &str) {
    put_with(out, kind, |out| {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    });
}

/// Appends an attribute whose value is the attributes that `fill` appends.
pub(crate) fn put_nest(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    put_with(out, kind | NESTED, fill);
}

fn put_with(out: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&kind.to_ne_bytes());
    fill(out);
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    out.resize(start + padded(out.len() - start), 0);
}

/// Reads attributes, one after the other. A broken one is the last.
pub(crate) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Attributes(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, Value<'a>), Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.0);
        let Some((&[l0, l1, k0, k1], _)) = whole.split_first_chunk() else {
            return Some(Err("an attribute shorter than its header"));
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = whole.get(HEADER..length) else {
            return Some(Err("an attribute whose length is wrong"));
        };
        // The last one may lack its padding.
        self.0 = whole.get(padded(length)..).unwrap_or_default();
        Some(Ok((u16::from_ne_bytes([k0, k1]) & TYPE, Value(value))))
    }
}

/// The value of an attribute, not yet taken for anything.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    pub(crate) fn nest(self) -> Attributes<'a> {
        Attributes(self.0)
    }

    pub(crate) fn array<const N: usize>(self) -> Result<[u8; N], Reason> {
        self.0.try_into().map_err(|_| "a value of the wrong size")
    }

    pub(crate) fn u8(self) -> Result<u8, Reason> {
        self.array().map(u8::from_ne_bytes)
    }

    pub(crate) fn u16(self) -> Result<u16, Reason> {
        self.array().map(u16::from_ne_bytes)
    }

    /// A number in network order.
    pub(crate) fn be16(self) -> Result<u16, Reason> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(self) -> Result<u32, Reason> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A counter, of 32 or of 64 bits.
    pub(crate) fn counter(self) -> Result<u64, Reason> {
        self.u32().map(u64::from).or_else(|_| self.array().map(u64::from_ne_bytes))
    }

    /// A name of at most `longest` bytes, up to its NUL or to the end.
    pub(crate) fn name(self, longest: usize) -> Result<String, Reason> {
        let text = self.0.split(|b| *b == 0).next().unwrap_or_default();
        if text.len() > longest {
            return Err("a name that is too long");
        }
        std::str::from_utf8(text).map(str::to_owned).map_err(|_| "a name that isn't UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_attributes_are_padded_and_read_back() {
        let mut out = vec![0xee; 4];
        put_nest(&mut out, 1, |out| {
            put(out, 2, &[7]);
            put_text(out, 3, "wlc");
        });
        let nested: [u8; 20] = [20, 0, 1, 0x80, 5, 0, 2, 0, 7, 0, 0, 0, 8, 0, 3, 0, b'w', b'l', b'c', 0];
        if cfg!(target_endian = "little") {
            assert_eq!(out[4..], nested);
        }
        let (kind, value) = Attributes::new(&out[4..]).next().unwrap().unwrap();
        assert_eq!(kind, 1);
        let inner: Vec<_> = value.nest().map(Result::unwrap).collect();
        assert_eq!((inner[0].0, inner[0].1.u8()), (2, Ok(7)));
        assert_eq!((inner[1].0, inner[1].1.name(15)), (3, Ok("wlc".into())));
        assert_eq!(inner.len(), 2);
    }

    #[test]
    fn broken_attributes_end_the_reading() {
        let length = |l: u16| l.to_ne_bytes();
        for bytes in
            [&[1u8, 0][..], &[length(3)[0], length(3)[1], 1, 0], &[length(9)[0], length(9)[1], 1, 0, 5, 5, 5, 5]]
        {
            let read: Vec<_> = Attributes::new(bytes).collect();
            assert_eq!(read.len(), 1, "{bytes:?}");
            assert!(read[0].is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn values_of_the_wrong_size_are_refused() {
        assert!(Value(&[1, 2, 3]).u32().is_err());
        assert!(Value(&[]).u8().is_err());
        assert_eq!(Value(&[0x1f, 0x90]).be16(), Ok(8080));
        assert_eq!(Value(&9u64.to_ne_bytes()).counter(), Ok(9));
        assert_eq!(Value(&9u32.to_ne_bytes()).counter(), Ok(9));
        assert!(Value(b"sixteen-letters-\0").name(15).is_err());
        assert!(Value(&[0xff, 0]).name(15).is_err());
    }
}
