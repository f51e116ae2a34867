//! Every image that a power cut may leave, of a few sorts: for runs that try them all.

use std::collections::BTreeMap;

use bitcask_core::SegmentId;

use super::file::File;
use super::{Faulty, lock};

/// The bytes of all segments.
pub type Image = BTreeMap<SegmentId, Vec<u8>>;

/// Images at most: the product of what each file may be.
const IMAGES_MAX: usize = 256;

impl Faulty {
    /// A folder with these segments, all of it durable.
    #[must_use]
    pub fn from_image(image: &Image, seed: u64) -> Faulty {
        let faulty = Faulty::new(seed);
        for (id, bytes) in image {
            let file = super::SharedFile::new(std::sync::Mutex::new(File::of(bytes.clone())));
            lock(&faulty.disk).files.insert(*id, file);
        }
        faulty
    }

    /// What a power cut may leave now: each file as it was synced, as it was written, written by half, or as long but zeros; each
    /// name that is not durable there or not.
    #[must_use]
    pub fn images_after_a_cut(&self) -> Vec<Image> {
        let disk = lock(&self.disk);
        let mut images = vec![Image::new()];
        let mut choices: BTreeMap<SegmentId, Vec<Option<Vec<u8>>>> = BTreeMap::new();
        for (id, file) in &disk.files {
            choices.insert(*id, lock(file).images().into_iter().map(Some).collect());
        }
        for (id, file) in &disk.limbo {
            let choice = choices.entry(*id).or_insert_with(|| vec![None]);
            match file {
                Some(file) => choice.extend(lock(file).images().into_iter().map(Some)),
                None => choice.push(None),
            }
        }
        for (id, choice) in choices {
            let mut longer = Vec::new();
            for image in images {
                for bytes in choice.iter().take(if longer.len() < IMAGES_MAX { 4 } else { 1 }) {
                    let mut image = image.clone();
                    image.extend(bytes.clone().map(|bytes| (id, bytes)));
                    longer.push(image);
                }
            }
            images = longer;
        }
        images
    }
}

impl File {
    fn images(&self) -> Vec<Vec<u8>> {
        let written = self.written();
        let half = self.stable + (written.len() - self.stable) / 2;
        let mut zeros = written[..self.stable].to_vec();
        zeros.resize(written.len(), 0);
        let mut images = vec![self.durable.clone()];
        for image in [written.to_vec(), written[..half].to_vec(), zeros] {
            if !images.contains(&image) {
                images.push(image);
            }
        }
        images
    }
}
