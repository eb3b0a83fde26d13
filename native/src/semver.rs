//! Semantic versions (semver.org 2.0.0) and ranges of them, as Cargo and Wasmer write them.
//!
//! Every function is pure and may be called on any thread. What is not UTF-8 is neither a version
//! nor a range.

use semver::{Version, VersionReq};

use crate::buffer::Bytes;

/// # Safety
/// As for `Bytes::as_slice`.
unsafe fn text<'a>(bytes: Bytes) -> Option<&'a str> {
    std::str::from_utf8(unsafe { bytes.as_slice() }).ok()
}

/// # Safety
/// As for `Bytes::as_slice`.
unsafe fn version(bytes: Bytes) -> Option<Version> {
    unsafe { text(bytes) }.and_then(|text| Version::parse(text).ok())
}

/// # Safety
/// As for `Bytes::as_slice`.
unsafe fn range(bytes: Bytes) -> Option<VersionReq> {
    unsafe { text(bytes) }.and_then(|text| VersionReq::parse(text).ok())
}

/// Whether `bytes` is a version: "1.2.3", "1.0.0-rc.1+build.5".
///
/// # Safety
/// `bytes` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_semver_is_version(bytes: Bytes) -> bool {
    unsafe { version(bytes) }.is_some()
}

/// Whether `bytes` is a range: "1.2", "^1.2", "=1.2.3", ">=1, <1.5", "*".
///
/// # Safety
/// `bytes` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_semver_is_range(bytes: Bytes) -> bool {
    unsafe { range(bytes) }.is_some()
}

/// Whether the version lies in the range; false when one of them is malformed.
///
/// # Safety
/// Both are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_semver_matches(in_range: Bytes, of: Bytes) -> bool {
    match (unsafe { range(in_range) }, unsafe { version(of) }) {
        (Some(range), Some(version)) => range.matches(&version),
        _ => false,
    }
}

/// The precedence of two versions: below, at or above 0. What is malformed comes first.
///
/// # Safety
/// Both are readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_semver_compare(left: Bytes, right: Bytes) -> i32 {
    match (unsafe { version(left) }, unsafe { version(right) }) {
        (Some(left), Some(right)) => left.cmp_precedence(&right) as i32,
        (left, right) => i32::from(left.is_some()) - i32::from(right.is_some()),
    }
}
