use super::*;

fn section(parts: &[u8]) -> Vec<u8> {
    let mut wasm = b"\0asm\x01\0\0\0".to_vec();
    let name = b"dylink.0";
    wasm.extend_from_slice(&[0, (1 + name.len() + parts.len()) as u8, name.len() as u8]);
    wasm.extend_from_slice(name);
    wasm.extend_from_slice(parts);
    wasm
}

#[test]
fn reads_sizes_needed_libraries_and_weak_imports() {
    let parts = [
        1, 4, 100, 3, 7, 0, // sizes
        2, 6, 1, 4, b'l', b'.', b's', b'o', // needs l.so
        4, 12, 2, 1, b'm', 1, b'a', 1, 1, b'm', 1, b'b', 0, // a is weak, b is not
    ];
    let mut parts = parts.to_vec();
    parts[15] = (parts.len() - 16) as u8;
    let found = read(&section(&parts)).ok().flatten().expect("a section");
    let layout = DylinkLayout {
        memory_size: 100,
        memory_alignment: 8,
        table_size: 7,
        table_alignment: 1,
        thread_local_size: 0,
    };
    assert_eq!(found.layout, layout);
    assert_eq!(found.needed, ["l.so"]);
    assert_eq!(found.weak, ["a"]);
}

#[test]
fn thread_local_exports_are_seen() {
    let found = read(&section(&[3, 5, 1, 1, b'x', 0x80, 2])).ok().flatten().expect("a section");
    assert_eq!(found.thread_local_symbols.len(), 1);
}

#[test]
fn modules_without_the_section_in_front_have_none() {
    assert!(matches!(read(b"\0asm\x01\0\0\0"), Ok(None)));
    assert!(matches!(read(b""), Ok(None)));
    let mut later = b"\0asm\x01\0\0\0\x01\x01\0".to_vec();
    later.extend_from_slice(&section(&[])[8..]);
    assert!(matches!(read(&later), Ok(None)));
}

#[test]
fn sections_that_are_cut_or_ask_for_too_much_are_errors() {
    let whole = [1, 4, 100, 3, 7, 0];
    for size in 1..whole.len() {
        assert!(read(&section(&whole[..size])).is_err(), "{size}");
    }
    assert!(read(&section(&[1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0])).is_err());
    assert!(read(&section(&[1, 4, 0, 17, 0, 0])).is_err());
}
