//! Numbers that a seed decides.

use wasmtime::ValType;

/// SplitMix64.
pub(super) struct Numbers(u64);

/// Where arithmetic has its edges.
const EDGES: [i64; 12] =
    [0, 1, -1, 2, 7, 63, 255, 65_536, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];
const FLOATS: [f64; 10] =
    [0.0, -0.0, 1.0, -1.5, 255.9, 2_147_483_648.0, -1e30, f64::INFINITY, f64::NAN, 5e-324];

impl Numbers {
    pub(super) fn new(seed: u64) -> Numbers {
        Numbers(seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(0x5e17_ed6e))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn integer(&mut self) -> i64 {
        match self.below(3) {
            0 => EDGES[self.below(EDGES.len())],
            1 => self.below(1_000) as i64,
            _ => self.next() as i64,
        }
    }

    pub(super) fn float(&mut self) -> f64 {
        match self.below(2) {
            0 => FLOATS[self.below(FLOATS.len())],
            _ => self.integer() as f64 / 16.0,
        }
    }

    /// None for types that no argument is made for.
    pub(super) fn value(&mut self, ty: &ValType) -> Option<wasmtime::Val> {
        use wasmtime::Val;
        Some(match ty {
            ValType::I32 => Val::I32(self.integer() as i32),
            ValType::I64 => Val::I64(self.integer()),
            ValType::F32 => Val::F32((self.float() as f32).to_bits()),
            ValType::F64 => Val::F64(self.float().to_bits()),
            ValType::V128 => {
                Val::V128((u128::from(self.next()) << 64 | u128::from(self.next())).into())
            }
            ValType::Ref(_) => return ty.default_value(),
        })
    }
}
