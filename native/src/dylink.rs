//! What the linker says of a module that is loaded at run time: the section "dylink.0"
//! (https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md).

use wasmparser::{Dylink0Subsection, KnownCustom, SymbolFlags};

use crate::buffer::Bytes;
use crate::error::{NativeError, NativeErrorKind};
use crate::sections::{self, id};
use crate::thread_local::{self, ThreadLocal};

/// Libraries that one library may need.
const NEEDED_MAX: usize = 256;
/// Folders in which to look for them.
const FOLDERS_MAX: usize = 64;
const NAME_SIZE_MAX: usize = 4096;
/// Bytes or table elements of one library.
const SIZE_MAX: u32 = 1 << 30;
/// Of powers of two.
const ALIGNMENT_MAX: u32 = 16;

/// What a library wants of its process. Alignments are powers of two.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DylinkLayout {
    pub memory_size: u32,
    pub memory_alignment: u32,
    pub table_size: u32,
    pub table_alignment: u32,
    /// Bytes of the variables that each thread has for itself; aligned as the memory.
    pub thread_local_size: u32,
}

/// The section of one module. Immutable: any thread. Freed with `selvedge_dylink_free`.
#[derive(Debug, Default)]
pub struct Dylink {
    pub(crate) layout: DylinkLayout,
    needed: Vec<String>,
    folders: Vec<String>,
    /// Symbols that need not exist.
    pub(crate) weak: Vec<String>,
    pub(crate) thread_local: Option<ThreadLocal>,
    /// Symbols that have an address of their own in each thread.
    pub(crate) thread_local_symbols: Vec<String>,
}

fn invalid(message: impl Into<String>) -> NativeError {
    NativeError::new(NativeErrorKind::Invalid, message)
}

fn power(exponent: u32) -> Result<u32, NativeError> {
    if exponent > ALIGNMENT_MAX {
        return Err(invalid(format!("the library asks for an alignment of 2^{exponent}")));
    }
    Ok(1 << exponent)
}

impl Dylink {
    pub(crate) fn needed(&self) -> &[String] {
        &self.needed
    }

    pub(crate) fn folders(&self) -> &[String] {
        &self.folders
    }

    fn add(&mut self, part: Dylink0Subsection<'_>) -> Result<(), NativeError> {
        match part {
            Dylink0Subsection::MemInfo(info) => {
                if info.memory_size > SIZE_MAX || info.table_size > SIZE_MAX {
                    return Err(invalid(format!(
                        "the library asks for {} bytes and {} table elements",
                        info.memory_size, info.table_size
                    )));
                }
                self.layout.memory_size = info.memory_size;
                self.layout.memory_alignment = power(info.memory_alignment)?;
                self.layout.table_size = info.table_size;
                self.layout.table_alignment = power(info.table_alignment)?;
            }
            Dylink0Subsection::Needed(names) => {
                if names.len() > NEEDED_MAX || names.iter().any(|name| name.len() > NAME_SIZE_MAX) {
                    return Err(invalid("the library needs too many others"));
                }
                self.needed = names.into_iter().map(str::to_owned).collect();
            }
            Dylink0Subsection::ExportInfo(exports) => {
                let own = exports.iter().filter(|export| export.flags.contains(SymbolFlags::TLS));
                self.thread_local_symbols = own.map(|export| export.name.to_owned()).collect();
            }
            Dylink0Subsection::ImportInfo(imports) => {
                let weak = imports
                    .iter()
                    .filter(|import| import.flags.contains(SymbolFlags::BINDING_WEAK));
                self.weak = weak.map(|import| import.field.to_owned()).collect();
            }
            Dylink0Subsection::RuntimePath(folders) => {
                if folders.len() > FOLDERS_MAX
                    || folders.iter().any(|folder| folder.len() > NAME_SIZE_MAX)
                {
                    return Err(invalid("the library has too many folders to look for others in"));
                }
                self.folders = folders.into_iter().map(str::to_owned).collect();
            }
            Dylink0Subsection::Unknown { .. } => {}
        }
        Ok(())
    }
}

/// None: the module has no such section. Where it stands, it is the first one.
pub(crate) fn read(wasm: &[u8]) -> Result<Option<Dylink>, NativeError> {
    let Some(Ok(first)) = sections::sections(wasm).next() else {
        return Ok(None);
    };
    if first.id != id::CUSTOM {
        return Ok(None);
    }
    let content = &wasm[first.content.clone()];
    let reader = wasmparser::BinaryReader::new(content, first.content.start);
    let Ok(custom) = wasmparser::CustomSectionReader::new(reader) else {
        return Ok(None);
    };
    let KnownCustom::Dylink0(parts) = custom.as_known() else {
        return Ok(None);
    };
    let mut dylink = Dylink {
        layout: DylinkLayout { memory_alignment: 1, table_alignment: 1, ..DylinkLayout::default() },
        ..Dylink::default()
    };
    for part in parts {
        let part = part.map_err(|error| {
            invalid(format!("the section \"dylink.0\" cannot be read: {error}"))
        })?;
        dylink.add(part)?;
    }
    dylink.thread_local = thread_local::find(wasm)
        .map_err(|error| invalid(format!("the library cannot be read: {error}")))?
        .filter(|found| found.size <= dylink.layout.memory_size);
    dylink.layout.thread_local_size = dylink.thread_local.map_or(0, |found| found.size);
    Ok(Some(dylink))
}

/// Reads the section. `*dylink` becomes null when the module has none, else it is owned by the caller. Invalid
/// when it cannot be read or asks for too much. Any thread.
///
/// # Safety
/// `wasm` is readable and `dylink` valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_dylink_read(
    wasm: Bytes,
    dylink: *mut *mut Dylink,
) -> *mut NativeError {
    match read(unsafe { wasm.as_slice() }) {
        Ok(found) => {
            let found = found.map_or(std::ptr::null_mut(), |found| Box::into_raw(Box::new(found)));
            unsafe { *dylink = found };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Frees it; null is allowed. Any thread.
///
/// # Safety
/// `dylink` is null or came from `selvedge_dylink_read` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_dylink_free(dylink: *mut Dylink) {
    if !dylink.is_null() {
        drop(unsafe { Box::from_raw(dylink) });
    }
}

/// Sizes. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_dylink_layout(dylink: &Dylink) -> DylinkLayout {
    dylink.layout
}

/// How many libraries it needs. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_dylink_needed_count(dylink: &Dylink) -> usize {
    dylink.needed.len()
}

/// The name of number `index`, which is below the count. Borrowed from `dylink`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_dylink_needed(dylink: &Dylink, index: usize) -> Bytes {
    Bytes::borrowed(dylink.needed[index].as_bytes())
}

/// How many folders it has for the libraries that it needs (WASM_DYLINK_RUNTIME_PATH). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_dylink_folder_count(dylink: &Dylink) -> usize {
    dylink.folders.len()
}

/// Number `index` of them, which is below the count; "$ORIGIN" in it stands for where the module itself is.
/// Borrowed from `dylink`. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_dylink_folder(dylink: &Dylink, index: usize) -> Bytes {
    Bytes::borrowed(dylink.folders[index].as_bytes())
}

#[cfg(test)]
#[path = "dylink_test.rs"]
mod tests;
