//! Modules written as text.

use crate::buffer::{Buffer, Bytes};
use crate::error::{NativeError, NativeErrorKind};

/// Turns a module in the text format into a binary. On success `*wasm` is owned by the caller; the error
/// is one line with line and column. Any thread.
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
        Err(error) => {
            let message = in_one_line(&error.to_string());
            NativeError::new(NativeErrorKind::Invalid, message).into_raw()
        }
    }
}

/// The parser shows its message, the place, and the line of the text with a mark below, each in lines of
/// their own; the place is in no other form in what it gives.
fn in_one_line(shown: &str) -> String {
    let (message, place) = shown.rsplit_once("\n     --> <anon>:").unwrap_or((shown, ""));
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut numbers = place.lines().next().unwrap_or("").split(':');
    match (numbers.next(), numbers.next()) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: {message}"),
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::in_one_line;

    fn message(text: &str) -> String {
        in_one_line(&wat::parse_str(text).unwrap_err().to_string())
    }

    #[test]
    fn errors_are_one_line_with_their_place() {
        assert_eq!(
            message("(module\n  (func i32.bogus 1))"),
            "line 2, column 9: unknown operator or unexpected token"
        );
        assert_eq!(message("(module"), "line 1, column 8: expected `)`");
        assert_eq!(
            message("(module (func call $x))"),
            "line 1, column 20: unknown func: failed to find name `$x`"
        );
        assert_eq!(
            message("(module (func) \u{202e})"),
            "line 1, column 16: unexpected character '\\u{202e}'"
        );
    }

    #[test]
    fn a_message_without_a_place_stays_one_line() {
        assert_eq!(in_one_line("one\n  two"), "one two");
    }
}
