//! Bytes that cross the boundary: borrowed views and owned buffers.

/// A borrowed run of bytes. `data` may be null only when `size` is 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    pub data: *const u8,
    pub size: usize,
}

impl Bytes {
    pub(crate) fn borrowed(bytes: &[u8]) -> Bytes {
        Bytes { data: bytes.as_ptr(), size: bytes.len() }
    }

    /// # Safety
    /// `data` points to `size` readable bytes that outlive the returned slice and do not change.
    pub(crate) unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.size == 0 {
            return &[];
        }
        unsafe { std::slice::from_raw_parts(self.data, self.size) }
    }

    /// The bytes as text; invalid UTF-8 is replaced.
    ///
    /// # Safety
    /// As for `as_slice`.
    pub(crate) unsafe fn to_text(self) -> String {
        String::from_utf8_lossy(unsafe { self.as_slice() }).into_owned()
    }
}

/// Bytes owned by Rust and handed to C++. Free with `selvedge_buffer_free`.
pub struct Buffer(pub(crate) Vec<u8>);

impl Buffer {
    pub(crate) fn into_raw(bytes: Vec<u8>) -> *mut Buffer {
        Box::into_raw(Box::new(Buffer(bytes)))
    }
}

/// The bytes, borrowed: valid until the buffer is freed. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_buffer_bytes(buffer: &Buffer) -> Bytes {
    Bytes::borrowed(&buffer.0)
}

/// Frees a buffer; null is allowed. Any thread.
///
/// # Safety
/// `buffer` is null or was received from this library and not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_buffer_free(buffer: *mut Buffer) {
    if !buffer.is_null() {
        drop(unsafe { Box::from_raw(buffer) });
    }
}
