//! Segments that are built from choices: mostly as a writer would, with lies in any of their fields.

use arbitrary::{Result, Unstructured};
use bitcask_core::SegmentId;

use crate::check::check_image;
use crate::image::{
    BATCH, EXPIRES, HEADER_LEN, Header, Hint, Image, MARK, PUT, Record, SEAL, STORE_ID, TOMBSTONE,
    form_of, seal_value,
};

/// The bytes are the choices.
pub fn run(bytes: &[u8]) {
    let mut choices = Unstructured::new(bytes);
    if let Ok(image) = build(&mut choices) {
        check_image(&image);
    }
}

/// One choice of so many is a lie.
fn lies(choices: &mut Unstructured<'_>) -> Result<bool> {
    choices.ratio(1, 24)
}

fn build(choices: &mut Unstructured<'_>) -> Result<Image> {
    let mut image = Image::new();
    let count = choices.int_in_range(1..=6)?;
    let (mut position, mut sequence, mut id) = (1, 0, 0);
    for number in 0..count {
        id += 1;
        let mut header = Header::log(position);
        header.id = id;
        header.seed = choices.arbitrary::<u8>()?.into();
        if choices.ratio(1, 5)? {
            // A merge of what is before it, or of what never was.
            header.kind = 2;
            let first = choices.int_in_range(1..=position)?;
            header.positions = (first, choices.int_in_range(first..=position)?);
            id += u64::from(choices.ratio(1, 2)?) * 3;
            header.id = id;
        }
        if lies(choices)? {
            lie_in_header(choices, &mut header)?;
        }
        let is_last = number + 1 == count;
        let segment = segment(choices, &header, &mut sequence, is_last)?;
        position = position.max(header.positions.1.saturating_add(1));
        let name = if lies(choices)? { choices.int_in_range(1..=9)? } else { header.id };
        image.insert(SegmentId(name.max(1)), segment);
    }
    if choices.ratio(1, 4)? {
        // A bit that has fallen over, behind all checksums.
        let which = choices.choose_index(image.len())?;
        if let Some(bytes) = image.values_mut().nth(which).filter(|bytes| !bytes.is_empty()) {
            let place = choices.choose_index(bytes.len())?;
            bytes[place] ^= 1 << choices.int_in_range(0..=7)?;
        }
    }
    Ok(image)
}

fn lie_in_header(choices: &mut Unstructured<'_>, header: &mut Header) -> Result<()> {
    match choices.int_in_range(0..=4)? {
        0 => header.kind = choices.arbitrary()?,
        1 => header.id = choices.arbitrary()?,
        2 => header.positions = choices.arbitrary()?,
        3 => header.store_id = [choices.arbitrary()?; 16],
        _ => header.store_id = STORE_ID,
    }
    Ok(())
}

fn segment(
    choices: &mut Unstructured<'_>,
    header: &Header,
    sequence: &mut u64,
    is_last: bool,
) -> Result<Vec<u8>> {
    let mut segment = header.encode();
    let mut hints = Vec::new();
    for _ in 0..choices.int_in_range(0..=12)? {
        record(choices, header, &mut segment, &mut hints, sequence)?;
    }
    let is_sealed = !is_last || choices.ratio(1, 3)?;
    if is_sealed && !lies(choices)? {
        seal(choices, header, &mut segment, &hints, *sequence)?;
    }
    match choices.int_in_range(0..=11)? {
        0 => segment.extend([0; 40]),
        1 => segment.extend(choices.bytes(choices.len().min(30))?),
        2 => segment.truncate(choices.int_in_range(0..=segment.len())?),
        3 => segment.truncate(HEADER_LEN),
        _ => {}
    }
    Ok(segment)
}

fn record(
    choices: &mut Unstructured<'_>,
    header: &Header,
    segment: &mut Vec<u8>,
    hints: &mut Vec<Hint>,
    sequence: &mut u64,
) -> Result<()> {
    let key = vec![b'a' + choices.int_in_range(0..=4)?; choices.int_in_range(1..=3)?];
    let value = vec![choices.arbitrary()?; choices.int_in_range(0..=60)?];
    let mut record =
        Record { kind: PUT, sequence: sequence.wrapping_add(1), key, value, ..Record::default() };
    match choices.int_in_range(0..=9)? {
        0 | 1 => (record.kind, record.value) = (TOMBSTONE, Vec::new()),
        2 => record.expires_at_ms = Some(choices.int_in_range(900..=1100)?),
        3 => record.flags = BATCH,
        4 => {
            record = Record { kind: MARK, sequence: *sequence, ..Record::default() };
            if choices.ratio(1, 2)? {
                record.sequence = (*sequence / 1000).saturating_add(1).saturating_mul(1000);
            }
            record.synced = Some(segment.len() as u64);
        }
        5 => record.synced = Some(choices.int_in_range(72..=segment.len() as u64)?),
        _ => {}
    }
    if lies(choices)? {
        match choices.int_in_range(0..=5)? {
            0 => record.sequence = choices.arbitrary()?,
            1 => record.lengths = Some(choices.arbitrary()?),
            2 => record.kind = choices.arbitrary()?,
            3 => record.flags = choices.arbitrary()?,
            4 => record.synced = Some(choices.arbitrary()?),
            _ => record.key = Vec::new(),
        }
    }
    *sequence = record.sequence;
    let at = segment.len() as u64;
    record.append(header.seed, segment);
    let len = segment.len() as u64 - at;
    let expires = if record.expires_at_ms.is_some() { EXPIRES } else { 0 };
    let flags = u8::from(record.kind == TOMBSTONE) | expires;
    if matches!(record.kind, PUT | TOMBSTONE) {
        hints.push(Hint { flags, at, len, sequence: record.sequence, key: record.key });
    }
    Ok(())
}

fn seal(
    choices: &mut Unstructured<'_>,
    header: &Header,
    segment: &mut Vec<u8>,
    hints: &[Hint],
    sequence: u64,
) -> Result<()> {
    let mut hints = hints.to_vec();
    let mut form = form_of(&hints);
    if lies(choices)? && !hints.is_empty() {
        let which = choices.choose_index(hints.len())?;
        match choices.int_in_range(0..=5)? {
            0 => hints[which].at = choices.arbitrary()?,
            1 => hints[which].len = choices.arbitrary()?,
            2 => hints[which].sequence = choices.arbitrary()?,
            3 => hints[which].key = vec![b'a'],
            4 => drop(hints.remove(which)),
            _ => form = choices.arbitrary()?,
        }
    }
    let mut value = seal_value(form, &hints, segment.len() as u64);
    if lies(choices)? {
        let place = choices.choose_index(value.len())?;
        value[place] = choices.arbitrary()?;
    }
    let sequence = if lies(choices)? { choices.arbitrary()? } else { sequence };
    Record { kind: SEAL, sequence, value, ..Record::default() }.append(header.seed, segment);
    Ok(())
}
