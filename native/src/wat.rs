//! Modules written as text.

use crate::buffer::{Buffer, Bytes};
use crate::error::{NativeError, NativeErrorKind};

/// Turns a module in the text format into a binary. On success `*wasm` is owned by the caller; the error
/// names line and column. Any thread.
///
/// # Safety
/// `text` is readable for the call; `wasm` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_wat_to_wasm(
    text: Bytes,
    wasm: *mut *mut Buffer,
) -> *mut NativeError {
    let text = unsafe { text.to_text() };
    match wat::parse_str(&text) {
        Ok(binary) => {
            unsafe { *wasm = Buffer::into_raw(binary) };
            std::ptr::null_mut()
        }
        Err(error) => NativeError::new(NativeErrorKind::Invalid, error.to_string()).into_raw(),
    }
}
