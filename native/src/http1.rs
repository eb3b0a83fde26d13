//! Splits HTTP/1 heads into spans with httparse. Sans-I/O and stateless: the caller hands the same
//! bytes again, with more behind them, after a partial result.
//!
//! This is the tokenizer, not the policy. It is strict as httparse is by default (no obs-fold, no
//! space before the colon or before the first field, single spaces in the request line, versions
//! 1.0 and 1.1 only, no control characters but tab in values), and stricter in one point: httparse
//! takes a bare line feed for a line end, here it is an error. Left to the caller: everything that
//! needs meaning (framing, Host, target forms, duplicate fields), the count of empty lines before a
//! request line (httparse skips them; `method.offset` tells how many bytes they took), and bytes
//! 0x80 and above in targets and values.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Request, Status};

use crate::buffer::Bytes;

/// The most header fields one head can have, whatever room the caller gives.
pub const HTTP1_HEADERS_MAX: usize = 256;
/// Room that most heads need no more than.
const FEW_HEADERS: usize = 16;
/// The longest input that is looked at.
pub const HTTP1_HEAD_SIZE_MAX: usize = 1_048_576;

/// What became of a head.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http1Status {
    /// The whole head is there; the outputs are filled.
    Complete = 0,
    /// Correct so far, but its end is not there yet; the outputs are not filled.
    Partial = 1,
    /// A line ends with a line feed without a carriage return.
    BareLineFeed = 2,
    /// A carriage return without a line feed at a line's end.
    BadNewLine = 3,
    /// A bad character in the method or the target, or one of them is empty.
    BadRequestLine = 4,
    /// Not exactly HTTP/1.0 or HTTP/1.1.
    BadVersion = 5,
    /// A bad character in a field name: also a space before the colon, a folded line, an empty
    /// name.
    BadHeaderName = 6,
    /// A bad character in a field value.
    BadHeaderValue = 7,
    /// More fields than the caller has room for, or than HTTP1_HEADERS_MAX.
    TooManyHeaders = 8,
    /// The input is longer than HTTP1_HEAD_SIZE_MAX.
    TooLarge = 9,
}

/// A part of the input, by position.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http1Span {
    pub offset: u32,
    pub size: u32,
}

/// One field: the name as sent, the value without white space around it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http1Header {
    pub name: Http1Span,
    pub value: Http1Span,
}

/// A request's head.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http1RequestHead {
    pub method: Http1Span,
    pub target: Http1Span,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub version_minor: u8,
    pub header_count: u32,
    /// Bytes from the start of the input to the end of the empty line after the fields.
    pub size: u32,
}

/// Splits the request head at the start of `input`. On Complete fills `*head` and the first
/// `head->header_count` of `headers`. Any thread.
///
/// # Safety
/// `input` is readable; `headers` points to `headers_max` writable elements; `head` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_http1_parse_request_head(
    input: Bytes,
    headers: *mut Http1Header,
    headers_max: usize,
    head: *mut Http1RequestHead,
) -> Http1Status {
    let input = unsafe { input.as_slice() };
    if input.len() > HTTP1_HEAD_SIZE_MAX {
        return Http1Status::TooLarge;
    }
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; HTTP1_HEADERS_MAX];
    let mut request = Request::new(&mut []);
    let room = &mut room[..headers_max.min(HTTP1_HEADERS_MAX)];
    let size = match settle(request.parse_with_uninit_headers(input, room), input) {
        Ok(size) => size,
        Err(status) => return status,
    };
    let (Some(method), Some(target), Some(version_minor)) =
        (request.method, request.path, request.version)
    else {
        return Http1Status::BadRequestLine;
    };
    unsafe { write_headers(input, request.headers, headers) };
    let filled = Http1RequestHead {
        method: span(input, method.as_bytes()),
        target: span(input, target.as_bytes()),
        version_minor,
        header_count: request.headers.len() as u32,
        size: size as u32,
    };
    unsafe { head.write(filled) };
    Http1Status::Complete
}

/// Splits a block of fields that ends with an empty line: the trailers of a chunked body, or the
/// head that a CGI program writes. On Complete fills the first `*header_count` of `headers` and
/// `*size` (bytes up to the end of the empty line). `line_feed_ends_line`: take a bare line feed
/// for a line end, as RFC 3875 section 6.3 lets CGI programs write; never set it for bytes from the
/// network. Any thread.
///
/// # Safety
/// `input` is readable; `headers` points to `headers_max` writable elements; `header_count` and
/// `size` are writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_http1_parse_fields(
    input: Bytes,
    line_feed_ends_line: bool,
    headers: *mut Http1Header,
    headers_max: usize,
    header_count: *mut u32,
    size: *mut u32,
) -> Http1Status {
    let input = unsafe { input.as_slice() };
    if input.len() > HTTP1_HEAD_SIZE_MAX {
        return Http1Status::TooLarge;
    }
    // Each field but the last has a line feed.
    let line_feeds = input.iter().filter(|&&byte| byte == b'\n').count();
    let strict = if line_feed_ends_line { &[] } else { input };
    let write = |size_there: usize, fields: &[Header<'_>]| unsafe {
        write_headers(input, fields, headers);
        header_count.write(fields.len() as u32);
        size.write(size_there as u32);
    };
    if line_feeds < FEW_HEADERS {
        split_fields::<FEW_HEADERS>(input, strict, headers_max, write)
    } else {
        split_fields::<HTTP1_HEADERS_MAX>(input, strict, headers_max, write)
    }
}

/// `write` gets the size and the fields on Complete. `ROOM`: httparse wants its fields filled before.
fn split_fields<const ROOM: usize>(
    input: &[u8],
    strict: &[u8],
    headers_max: usize,
    write: impl FnOnce(usize, &[Header<'_>]),
) -> Http1Status {
    let mut room = [httparse::EMPTY_HEADER; ROOM];
    let room = &mut room[..headers_max.min(ROOM)];
    let mut parsed: &[Header<'_>] = &[];
    let outcome = httparse::parse_headers(input, room).map(|status| match status {
        Status::Complete((size, fields)) => {
            parsed = fields;
            Status::Complete(size)
        }
        Status::Partial => Status::Partial,
    });
    match settle(outcome, strict) {
        Ok(size) => {
            write(size, parsed);
            Http1Status::Complete
        }
        Err(status) => status,
    }
}

/// The size of a complete head, else the status. A bare line feed is an error even when httparse
/// has not seen enough, or has found another error after it.
fn settle(outcome: httparse::Result<usize>, input: &[u8]) -> Result<usize, Http1Status> {
    let size = match outcome {
        Ok(Status::Complete(size)) => Some(size),
        _ => None,
    };
    if has_bare_line_feed(&input[..size.unwrap_or(input.len()).min(input.len())]) {
        return Err(Http1Status::BareLineFeed);
    }
    match outcome {
        Ok(Status::Complete(size)) => Ok(size),
        Ok(Status::Partial) => Err(Http1Status::Partial),
        Err(Error::HeaderName) => Err(Http1Status::BadHeaderName),
        Err(Error::HeaderValue) => Err(Http1Status::BadHeaderValue),
        Err(Error::NewLine) => Err(Http1Status::BadNewLine),
        Err(Error::Token | Error::Status) => Err(Http1Status::BadRequestLine),
        Err(Error::Version) => Err(Http1Status::BadVersion),
        Err(Error::TooManyHeaders) => Err(Http1Status::TooManyHeaders),
    }
}

/// No early exit, so that the compiler turns the loop into vector instructions.
fn has_bare_line_feed(input: &[u8]) -> bool {
    let mut bare = input.first() == Some(&b'\n');
    for (&before, &byte) in input.iter().zip(input.iter().skip(1)) {
        bare |= (byte == b'\n') & (before != b'\r');
    }
    bare
}

/// Where `part`, a piece of `input`, lies in it.
fn span(input: &[u8], part: &[u8]) -> Http1Span {
    let offset = (part.as_ptr() as usize).wrapping_sub(input.as_ptr() as usize);
    if part.is_empty() || offset + part.len() > input.len() {
        return Http1Span::default();
    }
    Http1Span { offset: offset as u32, size: part.len() as u32 }
}

/// # Safety
/// `out` points to at least `headers.len()` writable elements.
unsafe fn write_headers(input: &[u8], headers: &[Header<'_>], out: *mut Http1Header) {
    for (index, header) in headers.iter().enumerate() {
        let name = span(input, header.name.as_bytes());
        let value = span(input, header.value);
        unsafe { out.add(index).write(Http1Header { name, value }) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Parsed {
        status: Http1Status,
        head: Http1RequestHead,
        headers: Vec<Http1Header>,
    }

    fn parse(input: &[u8], headers_max: usize) -> Parsed {
        let mut headers = vec![Http1Header::default(); headers_max];
        let mut head = Http1RequestHead::default();
        let status = unsafe {
            selvedge_http1_parse_request_head(
                Bytes::borrowed(input),
                headers.as_mut_ptr(),
                headers_max,
                &mut head,
            )
        };
        headers.truncate(head.header_count as usize);
        Parsed { status, head, headers }
    }

    fn text(input: &[u8], span: Http1Span) -> &str {
        let part = &input[span.offset as usize..(span.offset + span.size) as usize];
        std::str::from_utf8(part).unwrap()
    }

    const REQUEST: &[u8] =
        b"POST /a?b HTTP/1.1\r\nHost: x.test\r\nEmpty:\r\nX-Long:  a b\t \r\n\r\nbody";

    #[test]
    fn request_is_split_into_spans() {
        let parsed = parse(REQUEST, 8);
        assert_eq!(parsed.status, Http1Status::Complete);
        assert_eq!(text(REQUEST, parsed.head.method), "POST");
        assert_eq!(text(REQUEST, parsed.head.target), "/a?b");
        assert_eq!(parsed.head.version_minor, 1);
        assert_eq!(parsed.head.size as usize, REQUEST.len() - 4);
        let fields: Vec<_> = parsed
            .headers
            .iter()
            .map(|header| (text(REQUEST, header.name), text(REQUEST, header.value)))
            .collect();
        assert_eq!(fields, [("Host", "x.test"), ("Empty", ""), ("X-Long", "a b")]);
    }

    #[test]
    fn every_prefix_is_partial() {
        for size in 0..REQUEST.len() - 4 {
            assert_eq!(parse(&REQUEST[..size], 8).status, Http1Status::Partial, "{size}");
        }
    }

    #[test]
    fn bad_heads_are_refused_with_the_reason() {
        let cases: &[(&[u8], Http1Status)] = &[
            (b"GET / HTTP/1.1\nHost: x\n\n", Http1Status::BareLineFeed),
            (b"GET / HTTP/1.1\r\nHost: x\n\r\n", Http1Status::BareLineFeed),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\n", Http1Status::BareLineFeed),
            (b"GET / HTTP/1.1\r\nHost: x\nA", Http1Status::BareLineFeed),
            (b"\nGET / HTTP/1.1\r\n\r\n", Http1Status::BareLineFeed),
            (b"GET / HTTP/1.1\rHost", Http1Status::BadNewLine),
            (b"GET  / HTTP/1.1\r\n\r\n", Http1Status::BadRequestLine),
            (b"GET / \r\n\r\n", Http1Status::BadVersion),
            (b"G(T / HTTP/1.1\r\n\r\n", Http1Status::BadRequestLine),
            (b"GET /\x01 HTTP/1.1\r\n\r\n", Http1Status::BadRequestLine),
            (b"GET / HTTP/1.2\r\n\r\n", Http1Status::BadVersion),
            (b"GET / http/1.1\r\n\r\n", Http1Status::BadVersion),
            (b"GET / HTTP/1.1 \r\n\r\n", Http1Status::BadNewLine),
            (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", Http1Status::BadHeaderName),
            (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", Http1Status::BadHeaderName),
            (b"GET / HTTP/1.1\r\nA: x\r\n fold\r\n\r\n", Http1Status::BadHeaderName),
            (b"GET / HTTP/1.1\r\n: x\r\n\r\n", Http1Status::BadHeaderName),
            (b"GET / HTTP/1.1\r\nHost\r\n\r\n", Http1Status::BadHeaderName),
            (b"GET / HTTP/1.1\r\nA: a\rb\r\n\r\n", Http1Status::BadHeaderValue),
            (b"GET / HTTP/1.1\r\nA: a\0b\r\n\r\n", Http1Status::BadHeaderValue),
            (b"GET / HTTP/1.1\r\nA: a\x7fb\r\n\r\n", Http1Status::BadHeaderValue),
        ];
        for (input, expected) in cases {
            assert_eq!(parse(input, 8).status, *expected, "{:?}", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn field_count_is_bounded_by_the_room() {
        let input = b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n";
        assert_eq!(parse(input, 2).status, Http1Status::Complete);
        assert_eq!(parse(input, 1).status, Http1Status::TooManyHeaders);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(HTTP1_HEADERS_MAX + 1));
        assert_eq!(parse(many.as_bytes(), 1000).status, Http1Status::TooManyHeaders);
        assert_eq!(parse(&vec![b'a'; HTTP1_HEAD_SIZE_MAX + 1], 2).status, Http1Status::TooLarge);
    }

    fn parse_fields(input: &[u8], line_feed_ends_line: bool) -> (Http1Status, u32, u32) {
        let mut headers = [Http1Header::default(); 128];
        let (mut count, mut size) = (0, 0);
        let status = unsafe {
            selvedge_http1_parse_fields(
                Bytes::borrowed(input),
                line_feed_ends_line,
                headers.as_mut_ptr(),
                headers.len(),
                &mut count,
                &mut size,
            )
        };
        (status, count, size)
    }

    #[test]
    fn fields_allow_bare_line_feeds_only_when_told() {
        assert_eq!(parse_fields(b"A: b\r\n\r\nrest", false), (Http1Status::Complete, 1, 8));
        assert_eq!(parse_fields(b"\r\nrest", false), (Http1Status::Complete, 0, 2));
        assert_eq!(parse_fields(b"A: b\n\nrest", false).0, Http1Status::BareLineFeed);
        assert_eq!(parse_fields(b"A: b\n\nrest", true), (Http1Status::Complete, 1, 6));
        assert_eq!(parse_fields(b"A: b\n", true).0, Http1Status::Partial);
        assert_eq!(parse_fields(b"A: b\n c\n\n", true).0, Http1Status::BadHeaderName);
    }

    #[test]
    fn any_number_of_fields_is_split() {
        for count in [0, 1, FEW_HEADERS - 1, FEW_HEADERS, FEW_HEADERS + 1, 100] {
            let fields = "A: b\r\n".repeat(count);
            let whole = format!("{fields}\r\n");
            let expected = (Http1Status::Complete, count as u32, whole.len() as u32);
            assert_eq!(parse_fields(whole.as_bytes(), false), expected);
            assert_eq!(parse_fields(fields.as_bytes(), false).0, Http1Status::Partial);
            let more = format!("{fields}C: d");
            assert_eq!(parse_fields(more.as_bytes(), false).0, Http1Status::Partial, "{count}");
        }
    }
}
