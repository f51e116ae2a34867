//! A segment's first bytes.

use bitcask_core::SegmentId;

use crate::check::check_image;
use crate::image::{Header, Image, PUT, Record, repair};

/// A store of two segments, of which the first begins with these bytes.
pub fn run(bytes: &[u8]) {
    let Some((&how, header)) = bytes.split_first() else { return };
    let mut first = header.to_vec();
    if how & 1 == 1 {
        repair(&mut first);
    }
    if how & 2 == 2 {
        let key = b"key".to_vec();
        Record { kind: PUT, sequence: 1, key, ..Record::default() }
            .append(Header::log(1).seed, &mut first);
    }
    let id = if how & 4 == 4 { 1 } else { 7 };
    check_image(&Image::from([(SegmentId(id), first), (SegmentId(2), Header::log(2).encode())]));
}
