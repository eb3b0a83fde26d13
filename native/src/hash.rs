//! BLAKE3: one input, one input in pieces, and many inputs of equal length in one SIMD pass.
//!
//! All outputs are the standard BLAKE3 hashes of the inputs; the many-inputs form only computes
//! them side by side. Every function is pure and may be called on any thread.

use blake3::platform::Platform;
use blake3::{BLOCK_LEN, CHUNK_LEN, IncrementCounter, KEY_LEN, OUT_LEN};

use crate::buffer::Bytes;

/// Bytes of a BLAKE3 hash and of a BLAKE3 key.
pub const BLAKE3_SIZE: usize = 32;

/// Inputs up to this size share SIMD passes in `selvedge_blake3_hash_many`; longer ones are hashed
/// one after the other (each of them fills the lanes alone).
pub const BLAKE3_HASH_MANY_SHARED_SIZE_MAX: usize = 2048;

/// Inputs that one pass works on; bounds the memory on the stack.
const LANES_MAX: usize = 32;

// Domain flags and initial chaining value of the BLAKE3 specification, section 2.
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;
type ChainingValue = [u32; 8];
const INITIAL_VALUE: ChainingValue = [
    0x6A09_E667,
    0xBB67_AE85,
    0x3C6E_F372,
    0xA54F_F53A,
    0x510E_527F,
    0x9B05_688C,
    0x1F83_D9AB,
    0x5BE0_CD19,
];

/// # Safety
/// `key` points to 32 readable bytes.
unsafe fn read_key(key: *const u8) -> [u8; KEY_LEN] {
    unsafe { key.cast::<[u8; KEY_LEN]>().read_unaligned() }
}

/// # Safety
/// `out` points to 32 writable bytes.
unsafe fn write_hash(out: *mut u8, hash: &[u8; OUT_LEN]) {
    unsafe { out.cast::<[u8; OUT_LEN]>().write_unaligned(*hash) }
}

/// Hashes `input` into the 32 bytes at `out`. Any thread.
///
/// # Safety
/// `input` is readable; `out` points to 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_hash(input: Bytes, out: *mut u8) {
    unsafe { write_hash(out, blake3::hash(input.as_slice()).as_bytes()) }
}

/// The keyed hash (a MAC) of `input` under the 32 bytes at `key`, into the 32 bytes at `out`.
/// Any thread.
///
/// # Safety
/// `input` is readable; `key` points to 32 readable and `out` to 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_keyed_hash(key: *const u8, input: Bytes, out: *mut u8) {
    unsafe { write_hash(out, blake3::keyed_hash(&read_key(key), input.as_slice()).as_bytes()) }
}

/// Derives 32 bytes at `out` from `material`. `context` is a hard-coded, globally unique text; it
/// is hashed byte by byte. Any thread.
///
/// # Safety
/// `context` and `material` are readable, `context` is UTF-8; `out` points to 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_derive_key(context: Bytes, material: Bytes, out: *mut u8) {
    unsafe {
        let context = std::str::from_utf8_unchecked(context.as_slice());
        write_hash(out, &blake3::derive_key(context, material.as_slice()));
    }
}

/// A hash of input that comes in pieces. Owned by whoever created it; free it with
/// `selvedge_blake3_hasher_free`. One thread at a time.
pub struct Blake3Hasher(blake3::Hasher);

/// A hasher for plain hashes. Never null.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_blake3_hasher_new() -> *mut Blake3Hasher {
    Box::into_raw(Box::new(Blake3Hasher(blake3::Hasher::new())))
}

/// A hasher for keyed hashes under the 32 bytes at `key`, which are copied. Never null.
///
/// # Safety
/// `key` points to 32 readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_hasher_new_keyed(key: *const u8) -> *mut Blake3Hasher {
    Box::into_raw(Box::new(Blake3Hasher(blake3::Hasher::new_keyed(&unsafe { read_key(key) }))))
}

/// Appends `input`.
///
/// # Safety
/// `input` is readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_hasher_update(hasher: &mut Blake3Hasher, input: Bytes) {
    hasher.0.update(unsafe { input.as_slice() });
}

/// Writes `out_size` bytes of output for everything appended so far; more can be appended after.
/// The first 32 bytes are the hash.
///
/// # Safety
/// `out` points to `out_size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_hasher_finalize(
    hasher: &Blake3Hasher,
    out: *mut u8,
    out_size: usize,
) {
    if out_size > 0 {
        hasher.0.finalize_xof().fill(unsafe { std::slice::from_raw_parts_mut(out, out_size) });
    }
}

/// Forgets what was appended; the key stays.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_blake3_hasher_reset(hasher: &mut Blake3Hasher) {
    hasher.0.reset();
}

/// Frees a hasher; null is allowed.
///
/// # Safety
/// `hasher` is null or came from one of the constructors and was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_hasher_free(hasher: *mut Blake3Hasher) {
    if !hasher.is_null() {
        drop(unsafe { Box::from_raw(hasher) });
    }
}

/// Hashes `count` inputs of `input_size` bytes each: hash i goes to the 32 bytes at `out + 32 * i`.
/// With a non-null `key` (32 bytes) the hashes are keyed. Inputs of up to
/// BLAKE3_HASH_MANY_SHARED_SIZE_MAX bytes are hashed side by side, several per SIMD pass: batches
/// of 16 or more gain most. Any thread.
///
/// # Safety
/// `inputs` points to `count` pointers, each to `input_size` readable bytes; `key` is null or
/// points to 32 readable bytes; `out` points to `32 * count` writable bytes that overlap none of
/// them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_blake3_hash_many(
    inputs: *const *const u8,
    count: usize,
    input_size: usize,
    key: *const u8,
    out: *mut u8,
) {
    if count == 0 {
        return;
    }
    let key = (!key.is_null()).then(|| unsafe { read_key(key) });
    let inputs = unsafe { std::slice::from_raw_parts(inputs, count) };
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<[u8; OUT_LEN]>(), count) };
    for (inputs, out) in inputs.chunks(LANES_MAX).zip(out.chunks_mut(LANES_MAX)) {
        let mut lanes: [&[u8]; LANES_MAX] = [&[]; LANES_MAX];
        for (lane, &input) in lanes.iter_mut().zip(inputs) {
            *lane = unsafe { Bytes { data: input, size: input_size }.as_slice() };
        }
        hash_lanes(&lanes[..inputs.len()], key.as_ref(), out);
    }
}

/// Hashes at most LANES_MAX inputs of one length.
fn hash_lanes(inputs: &[&[u8]], key: Option<&[u8; KEY_LEN]>, out: &mut [[u8; OUT_LEN]]) {
    let size = inputs[0].len();
    if size == 0 || size > BLAKE3_HASH_MANY_SHARED_SIZE_MAX {
        for (input, out) in inputs.iter().zip(out) {
            *out = *match key {
                Some(key) => blake3::keyed_hash(key, input),
                None => blake3::hash(input),
            }
            .as_bytes();
        }
        return;
    }
    let mode = Mode {
        platform: Platform::detect(),
        start: key.map_or(INITIAL_VALUE, words_from_bytes),
        flags: if key.is_some() { KEYED_HASH } else { 0 },
    };
    if size <= CHUNK_LEN {
        mode.hash_chunk(inputs, 0, ROOT, out);
        return;
    }
    let mut left = [[0u8; OUT_LEN]; LANES_MAX];
    let mut right = [[0u8; OUT_LEN]; LANES_MAX];
    let mut pieces: [&[u8]; LANES_MAX] = [&[]; LANES_MAX];
    let lanes = inputs.len();
    for (piece, input) in pieces.iter_mut().zip(inputs) {
        *piece = &input[..CHUNK_LEN];
    }
    mode.hash_chunk(&pieces[..lanes], 0, 0, &mut left[..lanes]);
    for (piece, input) in pieces.iter_mut().zip(inputs) {
        *piece = &input[CHUNK_LEN..];
    }
    mode.hash_chunk(&pieces[..lanes], 1, 0, &mut right[..lanes]);
    mode.hash_root_parents(&left[..lanes], &right[..lanes], out);
}

fn words_from_bytes(bytes: &[u8; 32]) -> ChainingValue {
    blake3::platform::words_from_le_bytes_32(bytes)
}

/// What every compression of one call has in common.
struct Mode {
    platform: Platform,
    start: ChainingValue,
    flags: u8,
}

impl Mode {
    /// Chunk number `counter` of every input: 1 to CHUNK_LEN bytes each, all of one length.
    /// `last_flags` (ROOT or nothing) goes to the last block.
    fn hash_chunk(&self, inputs: &[&[u8]], counter: u64, last_flags: u8, out: &mut [[u8; 32]]) {
        let size = inputs[0].len();
        let tail = size % BLOCK_LEN;
        let whole = size - tail;
        let end = if tail == 0 { CHUNK_END | last_flags } else { 0 };
        if whole > 0 {
            self.hash_blocks(inputs, whole, counter, end, out);
        }
        if tail == 0 {
            return;
        }
        let start = if whole == 0 { CHUNK_START } else { 0 };
        for (input, out) in inputs.iter().zip(out) {
            let mut block = [0u8; BLOCK_LEN];
            block[..tail].copy_from_slice(&input[whole..]);
            let mut value = if whole == 0 { self.start } else { words_from_bytes(out) };
            let flags = self.flags | start | CHUNK_END | last_flags;
            self.platform.compress_in_place(&mut value, &block, tail as u8, counter, flags);
            *out = blake3::platform::le_bytes_from_words_32(&value);
        }
    }

    /// The first `whole` bytes of every input: 1 to 16 full blocks.
    fn hash_blocks(
        &self,
        inputs: &[&[u8]],
        whole: usize,
        counter: u64,
        end: u8,
        out: &mut [[u8; 32]],
    ) {
        macro_rules! by_block_count {
            ($($blocks:literal)*) => {
                match whole / BLOCK_LEN {
                    $($blocks => self.run::<{ $blocks * BLOCK_LEN }>(
                        inputs, counter, (CHUNK_START, end), out),)*
                    _ => unreachable!("a chunk has 1 to 16 blocks"),
                }
            };
        }
        by_block_count!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }

    /// The root of two chunks, for every lane.
    fn hash_root_parents(&self, left: &[[u8; 32]], right: &[[u8; 32]], out: &mut [[u8; 32]]) {
        let mut blocks = [[0u8; BLOCK_LEN]; LANES_MAX];
        for (block, (left, right)) in blocks.iter_mut().zip(left.iter().zip(right)) {
            block[..OUT_LEN].copy_from_slice(left);
            block[OUT_LEN..].copy_from_slice(right);
        }
        let mut inputs: [&[u8]; LANES_MAX] = [&[]; LANES_MAX];
        for (input, block) in inputs.iter_mut().zip(&blocks) {
            *input = block;
        }
        let flags = PARENT | ROOT;
        self.run::<BLOCK_LEN>(&inputs[..left.len()], 0, (flags, 0), out);
    }

    fn run<const N: usize>(
        &self,
        inputs: &[&[u8]],
        counter: u64,
        (first_flags, last_flags): (u8, u8),
        out: &mut [[u8; 32]],
    ) {
        let mut heads: [&[u8; N]; LANES_MAX] = [&[0; N]; LANES_MAX];
        for (head, input) in heads.iter_mut().zip(inputs) {
            *head = input.first_chunk().expect("the caller checked the length");
        }
        self.platform.hash_many(
            &heads[..inputs.len()],
            &self.start,
            counter,
            IncrementCounter::No,
            self.flags,
            first_flags,
            last_flags,
            out.as_flattened_mut(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_passes_reach_to_two_chunks() {
        assert_eq!(BLAKE3_HASH_MANY_SHARED_SIZE_MAX, 2 * CHUNK_LEN);
    }

    fn pattern(size: usize, seed: usize) -> Vec<u8> {
        (0..size).map(|index| ((index * 31 + seed * 7) % 251) as u8).collect()
    }

    fn hash_many(inputs: &[Vec<u8>], key: Option<&[u8; 32]>) -> Vec<[u8; 32]> {
        let pointers: Vec<*const u8> = inputs.iter().map(|input| input.as_ptr()).collect();
        let mut out = vec![[0u8; 32]; inputs.len()];
        let key = key.map_or(std::ptr::null(), |key| key.as_ptr());
        let size = inputs.first().map_or(0, Vec::len);
        unsafe {
            selvedge_blake3_hash_many(
                pointers.as_ptr(),
                inputs.len(),
                size,
                key,
                out.as_mut_ptr().cast(),
            );
        }
        out
    }

    #[test]
    fn hash_of_nothing_is_the_published_value() {
        let mut out = [0u8; 32];
        unsafe { selvedge_blake3_hash(Bytes::borrowed(b""), out.as_mut_ptr()) };
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }

    #[test]
    fn many_equals_one_for_every_length_around_the_borders() {
        let key = [7u8; 32];
        let around = |size: usize| size.saturating_sub(2)..=size + 2;
        let sizes =
            (0..=130).chain(around(1023)).chain(around(1500)).chain(around(2048)).chain([4096]);
        for size in sizes {
            for count in [1, 2, 7, 16, 33] {
                let inputs: Vec<_> = (0..count).map(|seed| pattern(size, seed)).collect();
                let plain = hash_many(&inputs, None);
                let keyed = hash_many(&inputs, Some(&key));
                for (index, input) in inputs.iter().enumerate() {
                    assert_eq!(plain[index], *blake3::hash(input).as_bytes(), "{size} {count}");
                    assert_eq!(keyed[index], *blake3::keyed_hash(&key, input).as_bytes());
                }
            }
        }
    }

    #[test]
    fn hasher_in_pieces_equals_one_shot_and_can_be_reset() {
        let input = pattern(5000, 1);
        let key = [9u8; 32];
        unsafe {
            let hasher = &mut *selvedge_blake3_hasher_new_keyed(key.as_ptr());
            for _ in 0..2 {
                for piece in input.chunks(77) {
                    selvedge_blake3_hasher_update(hasher, Bytes::borrowed(piece));
                }
                let mut out = [0u8; 32];
                selvedge_blake3_hasher_finalize(hasher, out.as_mut_ptr(), out.len());
                assert_eq!(out, *blake3::keyed_hash(&key, &input).as_bytes());
                selvedge_blake3_hasher_reset(hasher);
            }
            selvedge_blake3_hasher_free(hasher);
        }
    }
}
