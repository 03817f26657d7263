//! Decodes lists in protobuf, item by item from the stream.
//!
//! A response is `k8s\0` and one `runtime.Unknown` {typeMeta = 1, raw = 2, contentEncoding = 3,
//! contentType = 4}, whose `raw` is the list {metadata = 1, items = 2}
//! (`k8s.io/apimachinery/pkg/runtime/serializer/protobuf`). A list of 100,000 pods is almost a gigabyte; only one item
//! of it is held, and only if it spans two frames.

use std::marker::PhantomData;

use prost::Message;

/// The content type of the encoding.
pub(super) const CONTENT_TYPE: &str = "application/vnd.kubernetes.protobuf";
const MAGIC: &[u8] = b"k8s\0";
/// The maximum message size of protobuf; only `raw` may be longer, because it is never held completely.
const LONGEST: u64 = i32::MAX as u64;
/// The maximum size of an item, in bytes: etcd accepts no object of this size. A complete item is held for decoding.
pub(super) const LONGEST_ITEM: u64 = 32 << 20;
/// The maximum size of the data around the items, in bytes, which is held completely.
pub(super) const LONGEST_HEAD: u64 = 1 << 20;

/// Why the bytes are not a list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// The bytes end too early: a retry may succeed.
    #[error("the response is truncated after {items} items")]
    Truncated {
        /// The number of complete items.
        items: usize,
    },
    /// The bytes are not a list.
    #[error("{0}")]
    Malformed(String),
}

/// `metav1.ListMeta`, trimmed.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ListMeta {
    #[prost(string, tag = "2")]
    pub(super) resource_version: String,
    /// Empty on the last page.
    #[prost(string, tag = "3")]
    pub(super) continue_: String,
}

/// `runtime.TypeMeta`, trimmed.
#[derive(Clone, PartialEq, prost::Message)]
struct TypeMeta {
    #[prost(string, tag = "2")]
    kind: String,
}

/// `runtime.Unknown`, trimmed, for a single object.
#[derive(Clone, PartialEq, prost::Message)]
struct Unknown {
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

/// Decodes a single object; `None` if the bytes are malformed.
pub(super) fn single<T: Message + Default>(bytes: &[u8]) -> Option<T> {
    let unknown = Unknown::decode(bytes.strip_prefix(MAGIC)?).ok()?;
    T::decode(unknown.raw.as_slice()).ok()
}

/// The position of the next byte.
#[derive(Clone, Copy, Debug)]
enum State {
    /// In the magic number, after this many bytes.
    Magic(usize),
    /// In the key of a field.
    Key,
    /// In a varint value, which is skipped.
    Number,
    /// In the length of a value.
    Length(Part),
    /// In a value, of which this many bytes are missing.
    Value(Part, u64),
}

/// The fields that are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Type,
    List,
    Encoding,
    Meta,
    Item,
    Other,
}

/// Decodes the bytes of one list in chunks of any size.
pub(super) struct ListDecoder<T> {
    kind: &'static str,
    state: State,
    /// Inside `raw`: how many of its bytes are missing.
    list_left: Option<u64>,
    list_seen: bool,
    /// The varint that is being read, and the position of its next bits.
    varint: u64,
    shift: u32,
    /// The first bytes of a value that continues in a later chunk.
    held: Vec<u8>,
    meta: ListMeta,
    items: usize,
    item: PhantomData<fn() -> T>,
}

impl<T: Message + Default> ListDecoder<T> {
    /// A decoder for a list of this kind (`PodList`).
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            state: State::Magic(0),
            list_left: None,
            list_seen: false,
            varint: 0,
            shift: 0,
            held: Vec::new(),
            meta: ListMeta::default(),
            items: 0,
            item: PhantomData,
        }
    }

    /// Decodes the next bytes and passes each completed item to `each`.
    ///
    /// # Errors
    /// [`Broken::Malformed`], after which the decoder must not be used.
    pub(super) fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        loop {
            // An empty value is complete without any bytes.
            let taken = match self.state {
                State::Value(part, left) => self.value(part, left, bytes, each)?,
                _ if bytes.is_empty() => return Ok(()),
                State::Magic(passed) => self.magic(passed, bytes)?,
                State::Key | State::Number | State::Length(_) => self.varint(bytes)?,
            };
            bytes = bytes.get(taken..).unwrap_or_default();
            if bytes.is_empty() && !matches!(self.state, State::Value(_, 0)) {
                return Ok(());
            }
        }
    }

    /// Ends the list and returns its metadata.
    ///
    /// # Errors
    /// [`Broken::Truncated`] if anything is missing.
    pub(super) fn finish(self) -> Result<ListMeta, Broken> {
        let between_fields = matches!(self.state, State::Key) && self.shift == 0;
        if between_fields && self.list_left.is_none() && self.list_seen {
            return Ok(self.meta);
        }
        Err(Broken::Truncated { items: self.items })
    }

    fn magic(&mut self, passed: usize, bytes: &[u8]) -> Result<usize, Broken> {
        let wanted = &MAGIC[passed..];
        let count = wanted.len().min(bytes.len());
        if wanted[..count] != bytes[..count] {
            return Err(malformed("not protobuf of the Kubernetes API"));
        }
        self.state = if count == wanted.len() { State::Key } else { State::Magic(passed + count) };
        Ok(count)
    }

    /// Reads the available bytes of a varint; returns their number.
    fn varint(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        for (index, byte) in bytes.iter().enumerate() {
            self.spend(1)?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte can hold only one bit.
            if self.shift > 63 || (self.shift == 63 && bits > 1) {
                return Err(malformed("a number has more than 64 bits"));
            }
            self.varint |= bits << self.shift;
            self.shift += 7;
            if byte & 0x80 == 0 {
                let value = std::mem::take(&mut self.varint);
                self.shift = 0;
                self.number(value)?;
                return Ok(index + 1);
            }
        }
        Ok(bytes.len())
    }

    /// Handles a complete varint.
    fn number(&mut self, value: u64) -> Result<(), Broken> {
        match self.state {
            State::Key => self.key(value)?,
            State::Length(part) => self.length(part, value)?,
            _ => self.state = State::Key,
        }
        self.leave_list();
        Ok(())
    }

    fn key(&mut self, key: u64) -> Result<(), Broken> {
        let field = key >> 3;
        if field == 0 || key > u64::from(u32::MAX) {
            return Err(malformed("a field has an invalid number"));
        }
        self.state = match (key & 7, self.list_left, field) {
            (0, _, _) => State::Number,
            (1, _, _) => self.skip(8)?,
            (5, _, _) => self.skip(4)?,
            (2, None, 1) => State::Length(Part::Type),
            (2, None, 2) => State::Length(Part::List),
            (2, None, 3) => State::Length(Part::Encoding),
            (2, Some(_), 1) => State::Length(Part::Meta),
            (2, Some(_), 2) => State::Length(Part::Item),
            (2, _, _) => State::Length(Part::Other),
            _ => return Err(malformed("a field has an invalid type")),
        };
        Ok(())
    }

    fn skip(&self, length: u64) -> Result<State, Broken> {
        self.fits(length)?;
        Ok(State::Value(Part::Other, length))
    }

    fn length(&mut self, part: Part, length: u64) -> Result<(), Broken> {
        self.fits(length)?;
        self.state = match part {
            Part::List if self.list_seen => return Err(malformed("contains two lists")),
            Part::List => {
                self.list_seen = true;
                self.list_left = Some(length);
                State::Key
            }
            Part::Encoding if length > 0 => {
                return Err(malformed("unexpected content encoding"));
            }
            Part::Type | Part::Meta if length > LONGEST_HEAD => {
                return Err(malformed("the metadata is too long"));
            }
            Part::Item if length > LONGEST_ITEM => return Err(malformed("an item is too long")),
            _ if length > LONGEST => return Err(malformed("a field is longer than 2 GiB")),
            _ => State::Value(part, length),
        };
        Ok(())
    }

    /// Checks that a value of this length ends within its list.
    fn fits(&self, length: u64) -> Result<(), Broken> {
        match self.list_left {
            Some(left) if length > left => Err(malformed("a field extends beyond the end of the list")),
            _ => Ok(()),
        }
    }

    /// Subtracts bytes from the rest of the list.
    fn spend(&mut self, count: u64) -> Result<(), Broken> {
        if let Some(left) = &mut self.list_left {
            *left = left.checked_sub(count).ok_or_else(|| malformed("a field extends beyond the end of the list"))?;
        }
        Ok(())
    }

    /// Returns to the envelope at the end of the list.
    fn leave_list(&mut self) {
        if self.list_left == Some(0) && matches!(self.state, State::Key) {
            self.list_left = None;
        }
    }

    /// Reads the available bytes of a value; returns their number.
    fn value(&mut self, part: Part, left: u64, bytes: &[u8], each: &mut dyn FnMut(T)) -> Result<usize, Broken> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (here, whole) = (&bytes[..count], count as u64 == left);
        self.spend(count as u64)?;
        if !whole {
            // The buffer grows with the received bytes, not with the declared length.
            if part != Part::Other {
                self.held.extend_from_slice(here);
            }
            self.state = State::Value(part, left - count as u64);
            return Ok(count);
        }
        if self.held.is_empty() {
            self.complete(part, here, each)?;
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(here);
            self.complete(part, &held, each)?;
            // Reuses the buffer.
            held.clear();
            self.held = held;
        }
        self.state = State::Key;
        self.leave_list();
        Ok(count)
    }

    fn complete(&mut self, part: Part, value: &[u8], each: &mut dyn FnMut(T)) -> Result<(), Broken> {
        let broken = |what: String| move |error: prost::DecodeError| malformed(&format!("{what}: {error}"));
        match part {
            Part::Type => {
                let TypeMeta { kind } = TypeMeta::decode(value).map_err(broken("the type".into()))?;
                if kind != self.kind {
                    return Err(malformed(&format!("expected a {}, got {kind:?}", self.kind)));
                }
            }
            // protobuf merges a repeated message.
            Part::Meta => self.meta.merge(value).map_err(broken("the list's metadata".into()))?,
            Part::Item => {
                each(T::decode(value).map_err(broken(format!("item {}", self.items + 1)))?);
                self.items += 1;
            }
            Part::List | Part::Encoding | Part::Other => {}
        }
        Ok(())
    }
}

fn malformed(message: &str) -> Broken {
    Broken::Malformed(message.to_owned())
}

#[cfg(test)]
mod tests;
