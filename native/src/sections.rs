//! The outer structure of a module: where each section lies. Nothing inside the sections is looked
//! at.

use std::ops::Range;

/// Numbers of the sections in the binary format (WebAssembly core specification, section 5.5.2).
pub(crate) mod id {
    pub(crate) const CUSTOM: u8 = 0;
    pub(crate) const TYPE: u8 = 1;
    pub(crate) const IMPORT: u8 = 2;
    pub(crate) const FUNCTION: u8 = 3;
    pub(crate) const TABLE: u8 = 4;
    pub(crate) const MEMORY: u8 = 5;
    pub(crate) const GLOBAL: u8 = 6;
    pub(crate) const EXPORT: u8 = 7;
    pub(crate) const START: u8 = 8;
    pub(crate) const ELEMENT: u8 = 9;
    pub(crate) const CODE: u8 = 10;
    pub(crate) const DATA: u8 = 11;
    pub(crate) const DATA_COUNT: u8 = 12;
    pub(crate) const TAG: u8 = 13;
}

/// Magic and version, before the first section.
pub(crate) const HEADER_SIZE: usize = 8;

/// A section's place in the order that all but custom ones must keep; None for custom and unknown
/// sections, which have none.
pub(crate) fn rank(section_id: u8) -> Option<usize> {
    const ORDER: [u8; 13] = [
        id::TYPE,
        id::IMPORT,
        id::FUNCTION,
        id::TABLE,
        id::MEMORY,
        id::TAG,
        id::GLOBAL,
        id::EXPORT,
        id::START,
        id::ELEMENT,
        id::DATA_COUNT,
        id::CODE,
        id::DATA,
    ];
    ORDER.iter().position(|&known| known == section_id)
}

/// The section's name, for a sentence.
pub(crate) fn describe(section_id: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    NAMES.get(section_id as usize).copied().unwrap_or("unknown")
}

/// One section. The ranges are positions in the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) id: u8,
    /// With id and size.
    pub(crate) whole: Range<usize>,
    pub(crate) content: Range<usize>,
}

/// A section that does not fit into the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Truncated {
    pub(crate) offset: usize,
    /// None when not even the id is there.
    pub(crate) id: Option<u8>,
    /// None when the header is cut or its size is not a valid number.
    pub(crate) size: Option<u32>,
    /// Bytes of the content that are there.
    pub(crate) available: usize,
}

/// The sections of `wasm`, which has a complete header, in order. Ends after the first error.
pub(crate) fn sections(wasm: &[u8]) -> impl Iterator<Item = Result<Section, Truncated>> {
    let mut next = HEADER_SIZE;
    std::iter::from_fn(move || {
        if next >= wasm.len() {
            return None;
        }
        let offset = next;
        let section = read_section(wasm, offset);
        next = section.as_ref().map_or(wasm.len(), |section| section.whole.end);
        Some(section)
    })
}

fn read_section(wasm: &[u8], offset: usize) -> Result<Section, Truncated> {
    let id = wasm[offset];
    let Some((size, start)) = read_size(wasm, offset + 1) else {
        return Err(Truncated { offset, id: Some(id), size: None, available: 0 });
    };
    let available = wasm.len() - start;
    if size as usize > available {
        return Err(Truncated { offset, id: Some(id), size: Some(size), available });
    }
    let end = start + size as usize;
    Ok(Section { id, whole: offset..end, content: start..end })
}

/// A 32-bit LEB128 number at `offset` and the position after it.
fn read_size(wasm: &[u8], offset: usize) -> Option<(u32, usize)> {
    let mut value = 0u64;
    for (index, &byte) in wasm.get(offset..)?.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| (value, offset + index + 1));
        }
    }
    None
}
