//! Names of functions that have moved: the format asks for them in the order of their indices.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{IndirectNameMap, NameMap, NameSection};
use wasmparser::Name;

/// For `Reencode::parse_custom_name_subsection` of a reencoder that moves functions in any way.
pub(crate) fn parse_subsection<R: Reencode<Error = Infallible>>(
    reencoder: &mut R,
    names: &mut NameSection,
    subsection: Name<'_>,
) -> Result<(), reencode::Error<Infallible>> {
    match subsection {
        Name::Function(map) => {
            let mut sorted = Vec::new();
            for naming in map {
                let naming = naming?;
                sorted.push((reencoder.function_index(naming.index)?, naming.name));
            }
            sorted.sort_by_key(|(index, _)| *index);
            let mut functions = NameMap::new();
            for (index, name) in sorted {
                functions.append(index, name);
            }
            names.functions(&functions);
        }
        Name::Local(map) => names.locals(&sorted_by_function(reencoder, map)?),
        Name::Label(map) => names.labels(&sorted_by_function(reencoder, map)?),
        other => reencode::utils::parse_custom_name_subsection(reencoder, names, other)?,
    }
    Ok(())
}

fn sorted_by_function<R: Reencode<Error = Infallible>>(
    reencoder: &mut R,
    map: wasmparser::IndirectNameMap<'_>,
) -> Result<IndirectNameMap, reencode::Error<Infallible>> {
    let mut sorted = Vec::new();
    for naming in map {
        let naming = naming?;
        let names = reencode::utils::name_map(naming.names, Ok)?;
        sorted.push((reencoder.function_index(naming.index)?, names));
    }
    sorted.sort_by_key(|(index, _)| *index);
    let mut functions = IndirectNameMap::new();
    for (index, names) in sorted {
        functions.append(index, &names);
    }
    Ok(functions)
}
