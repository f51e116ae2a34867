//! All segments of a store, as they stand in their files.

use bitcask_core::SegmentId;

use crate::check::check_image;
use crate::image::{Image, repair};

/// `how · (id · length as two bytes · bytes)*`. With the lowest bit of `how` all checksums are made right.
pub fn run(bytes: &[u8]) {
    let Some((&how, mut rest)) = bytes.split_first() else { return };
    let mut image = Image::new();
    while let [id, low, high, after @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (segment, after) = after.split_at(len);
        let mut segment = segment.to_vec();
        if how & 1 == 1 {
            repair(&mut segment);
        }
        image.insert(SegmentId(u64::from(*id).max(1)), segment);
        rest = after;
    }
    check_image(&image);
}

/// The bytes of which [`run`] makes this image: to begin a corpus with.
#[must_use]
pub fn input(how: u8, image: &Image) -> Vec<u8> {
    let mut bytes = vec![how];
    for (id, segment) in image {
        bytes.push(id.0 as u8);
        bytes.extend((segment.len() as u16).to_le_bytes());
        bytes.extend(segment);
    }
    bytes
}
