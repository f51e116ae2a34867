//! The seal of a segment whose records are sound.

use bitcask_core::SegmentId;

use crate::check::check_image;
use crate::image::{
    EXPIRES, Header, Hint, Image, PUT, Record, SEAL, TOMBSTONE, form_of, repair, seal_value,
};

/// The first byte says which records there are, and what of the seal the other bytes are: all of its value, or its hints.
pub fn run(bytes: &[u8]) {
    let Some((&how, rest)) = bytes.split_first() else { return };
    let header = Header::log(1);
    let mut segment = header.encode();
    let mut hints = Vec::new();
    for sequence in 1..=u64::from(how & 7) {
        add(&header, &mut segment, &mut hints, sequence, how & 8 == 8);
    }
    let offset = segment.len() as u64;
    let right = seal_value(form_of(&hints), &hints, offset);
    let value = match how >> 4 & 3 {
        0 => rest.to_vec(),
        // The counts and the end are right, the hints are not.
        1 => [&right[..40], rest, &right[right.len() - 16..]].concat(),
        // Something else stands over the right one.
        2 => {
            let mut value = right;
            value.iter_mut().zip(rest).for_each(|(byte, change)| *byte ^= change);
            value
        }
        _ => right,
    };
    let seal = Record { kind: SEAL, sequence: u64::from(how & 7), value, ..Record::default() };
    seal.append(header.seed, &mut segment);
    if how & 64 == 64 {
        // Growth behind it, as a crash leaves it.
        segment.extend([0; 100]);
    }
    if how & 128 == 128 {
        repair(&mut segment);
    }
    check_image(&Image::from([(SegmentId(1), segment), (SegmentId(2), Header::log(2).encode())]));
}

/// A put, an expiring one, a tombstone, and so on, with short keys or long ones.
fn add(header: &Header, segment: &mut Vec<u8>, hints: &mut Vec<Hint>, sequence: u64, long: bool) {
    let key = vec![b'a' + (sequence % 3) as u8; if long { 40 } else { 1 }];
    let mut record = Record { kind: PUT, sequence, key, value: vec![7; 20], ..Record::default() };
    let mut flags = 0;
    match sequence % 4 {
        2 => (record.expires_at_ms, flags) = (Some(5000), EXPIRES),
        3 => (record.kind, record.value, flags) = (TOMBSTONE, Vec::new(), 1),
        _ => {}
    }
    let at = segment.len() as u64;
    record.append(header.seed, segment);
    let len = segment.len() as u64 - at;
    hints.push(Hint { flags, at, len, sequence, key: record.key });
}
