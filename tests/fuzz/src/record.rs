//! One record between sound ones.

use bitcask_core::SegmentId;

use crate::check::check_image;
use crate::image::{HEADER_LEN, Header, Image, PUT, Record, repair};

/// The first byte says whether checksums are made right, how many sound records stand before, and whether one stands behind.
pub fn run(bytes: &[u8]) {
    let Some((&how, record)) = bytes.split_first() else { return };
    let header = Header::log(1);
    let mut segment = header.encode();
    let before = u64::from(how >> 1 & 3);
    for sequence in 1..=before {
        sound(sequence, None).append(header.seed, &mut segment);
    }
    let at = segment.len();
    segment.extend(record);
    if how & 1 == 1 {
        repair(&mut segment);
    }
    if how & 8 == 8 {
        // One that vouches for what is before it, or does not.
        let synced = (how & 16 == 16).then_some(at as u64).filter(|at| HEADER_LEN as u64 <= *at);
        sound(before + 2, synced).append(header.seed, &mut segment);
    }
    check_image(&Image::from([(SegmentId(1), segment), (SegmentId(2), Header::log(2).encode())]));
}

fn sound(sequence: u64, synced: Option<u64>) -> Record {
    let key = vec![b'a' + (sequence % 3) as u8];
    Record { kind: PUT, sequence, synced, key, value: b"value".to_vec(), ..Record::default() }
}
