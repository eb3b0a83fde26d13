//! Errors that cross to C++: one owned object with a kind and one sentence.

use crate::buffer::Bytes;

/// What the caller should do about an error. The values are those of selvedge::ErrorKind.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeErrorKind {
    /// The input is wrong.
    Invalid = 0,
    /// The named thing does not exist.
    NotFound = 1,
    /// Policy forbids it.
    Denied = 2,
    /// A limit is reached: later, or elsewhere.
    Overloaded = 3,
    /// Valid, but not something we do.
    Unsupported = 6,
    /// Our fault or the environment's.
    Internal = 7,
}

/// An error on its way to C++. Owned by whoever received the pointer; free it with
/// `selvedge_error_free`.
pub struct NativeError {
    pub(crate) kind: NativeErrorKind,
    pub(crate) message: String,
}

impl NativeError {
    pub(crate) fn new(kind: NativeErrorKind, message: impl Into<String>) -> NativeError {
        NativeError { kind, message: message.into() }
    }

    pub(crate) fn into_raw(self) -> *mut NativeError {
        Box::into_raw(Box::new(self))
    }
}

/// Which kind of error it is. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_error_kind(error: &NativeError) -> NativeErrorKind {
    error.kind
}

/// The sentence, UTF-8, borrowed: valid until the error is freed. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_error_message(error: &NativeError) -> Bytes {
    Bytes::borrowed(error.message.as_bytes())
}

/// Frees an error; null is allowed. Any thread.
///
/// # Safety
/// `error` is null or was received from this library and not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_error_free(error: *mut NativeError) {
    if !error.is_null() {
        drop(unsafe { Box::from_raw(error) });
    }
}
