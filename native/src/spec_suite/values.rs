//! Arguments and results of the suite.

use wasmtime::{ExternRef, HeapType, Ref, Store, V128, Val};
use wast::WastRet;
use wast::core::{AbstractHeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};

/// The value of an argument; None for values of features that are switched off.
pub(super) fn argument(store: &mut Store<()>, argument: &WastArgCore<'_>) -> Option<Val> {
    Some(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes()).into()),
        WastArgCore::RefExtern(value) => {
            Val::ExternRef(Some(ExternRef::new(store, *value).expect("there is memory")))
        }
        WastArgCore::RefNull(wast::core::HeapType::Abstract { ty, .. }) => match ty {
            AbstractHeapType::Extern | AbstractHeapType::NoExtern => Val::ExternRef(None),
            AbstractHeapType::Func | AbstractHeapType::NoFunc => Val::FuncRef(None),
            AbstractHeapType::Exn | AbstractHeapType::NoExn => Val::null_ref(&HeapType::Exn),
            _ => return None,
        },
        WastArgCore::RefNull(_) | WastArgCore::RefHost(_) => return None,
    })
}

pub(crate) fn describe(store: &Store<()>, values: &[Val]) -> String {
    let texts: Vec<String> = values.iter().map(|value| describe_one(store, value)).collect();
    texts.join(" ")
}

fn describe_one(store: &Store<()>, value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32:{value}"),
        Val::I64(value) => format!("i64:{value}"),
        Val::F32(bits) => format!("f32:{bits:08x}"),
        Val::F64(bits) => format!("f64:{bits:016x}"),
        Val::V128(value) => format!("v128:{:032x}", value.as_u128()),
        Val::ExternRef(Some(_)) => format!("extern:{:?}", extern_value(store, value)),
        value => match value.ref_() {
            Some(reference) if reference.is_null() => String::from("null"),
            Some(Ref::Func(_)) => String::from("func"),
            _ => String::from("reference"),
        },
    }
}

fn extern_value(store: &Store<()>, value: &Val) -> Option<u32> {
    let Val::ExternRef(Some(reference)) = value else {
        return None;
    };
    reference.data(store).ok()??.downcast_ref::<u32>().copied()
}

pub(super) fn all_match(store: &Store<()>, values: &[Val], expected: &[WastRet<'_>]) -> bool {
    values.len() == expected.len()
        && values.iter().zip(expected).all(|(value, expected)| match expected {
            WastRet::Core(expected) => matches(store, value, expected),
            #[allow(unreachable_patterns)]
            _ => false,
        })
}

fn matches(store: &Store<()>, value: &Val, expected: &WastRetCore<'_>) -> bool {
    match (value, expected) {
        (Val::I32(value), WastRetCore::I32(expected)) => value == expected,
        (Val::I64(value), WastRetCore::I64(expected)) => value == expected,
        (Val::F32(bits), WastRetCore::F32(expected)) => matches_f32(*bits, expected),
        (Val::F64(bits), WastRetCore::F64(expected)) => matches_f64(*bits, expected),
        (Val::V128(value), WastRetCore::V128(expected)) => matches_v128(*value, expected),
        (value, WastRetCore::Either(choices)) => {
            choices.iter().any(|choice| matches(store, value, choice))
        }
        (value, WastRetCore::RefNull(_)) => value.ref_().is_some_and(|item| item.is_null()),
        (Val::ExternRef(Some(_)), WastRetCore::RefExtern(expected)) => {
            expected.is_none_or(|expected| extern_value(store, value) == Some(expected))
        }
        (Val::FuncRef(Some(_)), WastRetCore::RefFunc(_)) => true,
        _ => false,
    }
}

fn matches_f32(bits: u32, expected: &NanPattern<wast::token::F32>) -> bool {
    const QUIET: u32 = 0x7fc0_0000;
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == QUIET,
        NanPattern::ArithmeticNan => bits & QUIET == QUIET,
        NanPattern::Value(expected) => bits == expected.bits,
    }
}

fn matches_f64(bits: u64, expected: &NanPattern<wast::token::F64>) -> bool {
    const QUIET: u64 = 0x7ff8_0000_0000_0000;
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == QUIET,
        NanPattern::ArithmeticNan => bits & QUIET == QUIET,
        NanPattern::Value(expected) => bits == expected.bits,
    }
}

fn matches_v128(value: V128, expected: &V128Pattern) -> bool {
    let bytes = value.as_u128().to_le_bytes();
    fn lanes<const SIZE: usize>(bytes: &[u8; 16]) -> impl Iterator<Item = [u8; SIZE]> {
        bytes.chunks_exact(SIZE).map(|lane| lane.try_into().expect("the size of a lane"))
    }
    match expected {
        V128Pattern::I8x16(expected) => bytes.iter().zip(expected).all(|(&a, &b)| a as i8 == b),
        V128Pattern::I16x8(expected) => {
            lanes(&bytes).zip(expected).all(|(lane, &value)| i16::from_le_bytes(lane) == value)
        }
        V128Pattern::I32x4(expected) => {
            lanes(&bytes).zip(expected).all(|(lane, &value)| i32::from_le_bytes(lane) == value)
        }
        V128Pattern::I64x2(expected) => {
            lanes(&bytes).zip(expected).all(|(lane, &value)| i64::from_le_bytes(lane) == value)
        }
        V128Pattern::F32x4(expected) => lanes(&bytes)
            .zip(expected)
            .all(|(lane, pattern)| matches_f32(u32::from_le_bytes(lane), pattern)),
        V128Pattern::F64x2(expected) => lanes(&bytes)
            .zip(expected)
            .all(|(lane, pattern)| matches_f64(u64::from_le_bytes(lane), pattern)),
    }
}
