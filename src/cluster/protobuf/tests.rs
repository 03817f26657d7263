#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::snapshot::PodSummary;
use crate::testing::http_server::{field, pod, protobuf_answer, protobuf_list};

mod fields;

/// Decodes the chunks; returns the names and the metadata of the list.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<String>, ListMeta), Broken> {
    let mut names = Vec::new();
    let mut decoder = ListDecoder::new("PodList");
    for piece in pieces {
        decoder.push(piece, &mut |pod: PodSummary| names.push(pod.metadata.name))?;
    }
    Ok((names, decoder.finish()?))
}

fn list(names: &[String]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = names.iter().map(|name| pod(name)).collect();
    protobuf_list("PodList", &items, "42", "next")
}

/// Splits the bytes at these positions.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for place in places {
        pieces.push(&bytes[from..place]);
        from = place;
    }
    pieces.push(&bytes[from..]);
    pieces
}

proptest! {
    #[test]
    fn chunk_boundaries_do_not_matter(names in vec("[a-z]{0,300}", 0..8), places in vec(any::<prop::sample::Index>(), 0..40)) {
        let bytes = list(&names);
        let (decoded, meta) = decode(cut(&bytes, &places)).unwrap();
        prop_assert_eq!(decoded, names);
        prop_assert_eq!(meta.resource_version, "42");
        prop_assert_eq!(meta.continue_, "next");
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..400), magic in any::<bool>(), places in vec(any::<prop::sample::Index>(), 0..4)) {
        let bytes = if magic { [MAGIC, &bytes].concat() } else { bytes };
        let _ = decode(cut(&bytes, &places));
    }

    #[test]
    fn randomly_damaged_list_never_panics(names in vec("[a-z]{0,9}", 0..4), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = list(&names);
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let _ = decode([bytes.as_slice()]);
        let _ = decode(bytes.chunks(1));
    }
}

#[test]
fn every_truncation_is_an_error() {
    let names = ["a".to_owned(), String::new(), "c".repeat(200)];
    let bytes = list(&names);
    // contentEncoding and contentType follow the list. Both are empty, so the list is complete without them.
    let complete = [bytes.len(), bytes.len() - 2, bytes.len() - 4];
    for end in 0..=bytes.len() {
        for pieces in [vec![&bytes[..end]], bytes[..end].chunks(1).collect(), bytes[..end].chunks(7).collect()] {
            match decode(pieces) {
                Ok((decoded, _)) => {
                    assert!(complete.contains(&end), "{end} of {}", bytes.len());
                    assert_eq!(decoded, names);
                }
                Err(Broken::Truncated { .. }) => {
                    assert!(!complete.contains(&end), "{end} of {}", bytes.len())
                }
                Err(other) => panic!("{end}: {other}"),
            }
        }
    }
}

#[test]
fn buffer_holds_at_most_one_item() {
    let names: Vec<String> = (0..50).map(|number| format!("{number}").repeat(100)).collect();
    let mut decoder = ListDecoder::new("PodList");
    for byte in list(&names).chunks(1) {
        decoder.push(byte, &mut |_: PodSummary| ()).unwrap();
        assert!(decoder.held.capacity() < 2048, "{}", decoder.held.capacity());
    }
}

#[test]
fn skipped_bytes_are_not_held() {
    let mut raw = Vec::new();
    field(&mut raw, 9, &[b'x'; 100_000]);
    let mut decoder = ListDecoder::new("PodList");
    for piece in protobuf_answer("PodList", &raw).chunks(1000) {
        decoder.push(piece, &mut |_: PodSummary| ()).unwrap();
        assert!(decoder.held.capacity() < 100);
    }
    decoder.finish().unwrap();
}

#[test]
fn truncated_key_after_the_list_is_a_truncation() {
    let mut bytes = list(&[]);
    bytes.push(0x80);
    assert_eq!(decode([bytes.as_slice()]), Err(Broken::Truncated { items: 0 }));
}

/// The envelope up to a list with this declared length.
fn claimed(length: u64) -> Vec<u8> {
    let mut bytes = b"k8s\0\x12".to_vec();
    prost::encoding::encode_varint(length, &mut bytes);
    bytes
}

fn malformed_by(bytes: &[u8], words: &str) {
    for pieces in [vec![bytes], bytes.chunks(1).collect()] {
        match decode(pieces) {
            Err(Broken::Malformed(message)) => {
                assert!(message.contains(words), "{message}, not {words}")
            }
            other => panic!("{other:?}, not {words}"),
        }
    }
}

#[test]
fn hostile_lengths_are_errors() {
    let item_of = |length: u64, in_list_of: u64| {
        let mut bytes = claimed(in_list_of);
        bytes.push(0x12);
        prost::encoding::encode_varint(length, &mut bytes);
        bytes
    };
    malformed_by(&item_of(LONGEST_ITEM + 1, u64::MAX), "an item is too long");
    let other = |length: u64| {
        let mut bytes = claimed(u64::MAX);
        bytes.push(0x4a);
        prost::encoding::encode_varint(length, &mut bytes);
        bytes
    };
    malformed_by(&other(1 << 31), "2 GiB");
    malformed_by(&item_of(11, 12), "beyond the end of the list");
    malformed_by(&item_of(u64::MAX, 1 << 40), "beyond the end of the list");
    // The bytes of the length, a number, and the rest of a number extend beyond the end.
    malformed_by(&[&claimed(1)[..], b"\x12\x01"].concat(), "beyond the end of the list");
    malformed_by(&[&claimed(2)[..], b"\x18\xff\x01"].concat(), "beyond the end of the list");
    malformed_by(&[&claimed(3)[..], b"\x15abcd"].concat(), "beyond the end of the list");
    malformed_by(&[&b"k8s\0"[..], &[0xff; 9], b"\x02"].concat(), "64 bits");
    malformed_by(&[&b"k8s\0"[..], &[0xff; 11]].concat(), "64 bits");
    malformed_by(b"k8s\0\x00", "invalid number");
    malformed_by(b"k8s\0\x13", "invalid type");
    malformed_by(&[&b"k8s\0\x0a"[..], &[0xff, 0xff, 0xff, 0x7f]].concat(), "metadata is too long");
}

#[test]
fn declared_length_allocates_no_memory() {
    let mut bytes = claimed(u64::MAX);
    bytes.push(0x12);
    prost::encoding::encode_varint(LONGEST_ITEM, &mut bytes);
    bytes.extend_from_slice(b"few");
    let mut decoder = ListDecoder::new("PodList");
    decoder.push(&bytes, &mut |_: PodSummary| ()).unwrap();
    assert!(decoder.held.capacity() < 100);
    assert_eq!(decoder.finish(), Err(Broken::Truncated { items: 0 }));
}

#[test]
fn list_of_another_kind_is_an_error() {
    malformed_by(b"<htm", "not protobuf");
    malformed_by(&protobuf_list("NodeList", &[], "1", ""), "expected a PodList, got \"NodeList\"");
    malformed_by(&protobuf_list("PodList", &[b"\xff\xff".to_vec()], "1", ""), "item 1");
    let mut twice = list(&[]);
    twice.extend_from_slice(b"\x12\x00");
    malformed_by(&twice, "two lists");
    let mut packed = list(&[]);
    field(&mut packed, 3, b"gzip");
    malformed_by(&packed, "content encoding");
}

#[test]
fn unknown_fields_are_skipped() {
    let mut raw = b"\x18\x96\x01\x21abcdefgh\x2dabcd".to_vec();
    field(&mut raw, 9, b"skipped");
    field(&mut raw, 2, &pod("a"));
    field(&mut raw, 9, b"");
    let (names, meta) = decode([protobuf_answer("PodList", &raw).as_slice()]).unwrap();
    assert_eq!(names, ["a"]);
    assert_eq!(meta, ListMeta::default());
}
