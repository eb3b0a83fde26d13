//! Writes and lists webc packages with the reference implementation. `webc_tool` of this folder prints the same
//! listing with ours.
//!
//!   webc-crosscheck write DIR OUT 2|3   DIR/manifest.json, DIR/atoms/NAME, DIR/volumes/NAME/... ("%2F" is a slash)
//!   webc-crosscheck dump FILE

use std::{
    collections::BTreeMap,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use webc::{
    Container, Metadata, PathSegments, Timestamps, Version, Volume, metadata::Manifest, v2, v3,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The entries of a folder, by name.
fn entries(folder: &Path) -> Outcome<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|_| "a name is not UTF-8")?;
            found.push((name.replace("%2F", "/"), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn write(folder: &Path, out: &Path, version: &str) -> Outcome<()> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json"))?)?;
    let atoms = entries(&folder.join("atoms"))?;
    let volumes = entries(&folder.join("volumes"))?;
    let bytes = if version == "2" {
        let atoms: Outcome<BTreeMap<_, _>> = atoms
            .into_iter()
            .map(|(name, path)| {
                Ok((
                    name.parse()?,
                    v2::write::FileEntry::Owned(fs::read(path)?.into()),
                ))
            })
            .collect();
        let mut writer = v2::write::Writer::new(v2::ChecksumAlgorithm::Sha256)
            .write_manifest(&manifest)?
            .write_atoms(atoms?)?;
        for (name, path) in volumes {
            writer.write_volume(&name, v2::write::Directory::from_path(path)?)?;
        }
        writer.finish(v2::SignatureAlgorithm::None)?
    } else {
        let atoms: Outcome<BTreeMap<_, _>> = atoms
            .into_iter()
            .map(|(name, path)| Ok((name.parse()?, v3::write::FileEntry::from(fs::read(path)?))))
            .collect();
        let mut writer = v3::write::Writer::new(v3::ChecksumAlgorithm::Sha256)
            .write_manifest(&manifest)?
            .write_atoms(atoms?)?;
        for (name, path) in volumes {
            writer.write_volume(&name, v3::write::Directory::from_path(path)?)?;
        }
        writer.finish(v3::SignatureAlgorithm::None)?
    };
    fs::write(out, bytes)?;
    Ok(())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn time(timestamps: Option<Timestamps>) -> String {
    timestamps.map_or("-".to_string(), |times| {
        (times.modified() / 1_000_000_000).to_string()
    })
}

fn list(volume: &Volume, path: &PathSegments, out: &mut String) -> Outcome<()> {
    for (name, _, metadata) in volume.read_dir(path).ok_or("not a directory")? {
        let path = path.join(name);
        let modified = time(metadata.timestamps());
        match metadata {
            Metadata::Dir { .. } => {
                writeln!(out, "dir {path} {modified}")?;
                list(volume, &path, out)?;
            }
            Metadata::File { .. } => {
                let (bytes, _) = volume.read_file(&path).ok_or("unreadable")?;
                writeln!(
                    out,
                    "file {path} {modified} {} {}",
                    bytes.len(),
                    hash(&bytes)
                )?;
            }
            Metadata::Symlink { .. } => {
                let (target, _) = volume.read_link(&path).ok_or("unreadable")?;
                writeln!(out, "link {path} {modified} {target}")?;
            }
        }
    }
    Ok(())
}

fn list_manifest(manifest: &Manifest, out: &mut String) -> Outcome<()> {
    if let Some(wapm) = manifest.wapm()? {
        writeln!(
            out,
            "package {:?} {:?}",
            wapm.name.unwrap_or_default(),
            wapm.version.unwrap_or_default()
        )?;
    }
    for (name, atom) in &manifest.atoms {
        let features = atom.wasm()?.unwrap_or_default().features;
        writeln!(
            out,
            "module {name:?} {} {} {features:?}",
            atom.kind, atom.signature
        )?;
    }
    for (name, command) in &manifest.commands {
        let atom = command.atom()?.ok_or("a command without an atom")?;
        write!(out, "command {name:?} {} {:?}", command.runner, atom.name)?;
        if let Some(dependency) = atom.dependency {
            write!(out, " of {dependency:?}")?;
        }
        if let Some(wasi) = command.wasi()? {
            write!(
                out,
                " {:?} {:?}",
                wasi.main_args.unwrap_or_default(),
                wasi.env.unwrap_or_default()
            )?;
            if let Some(exec_name) = wasi.exec_name {
                write!(out, " {exec_name:?}")?;
            }
        }
        writeln!(out)?;
    }
    for mapping in manifest.filesystem()?.unwrap_or_default() {
        let from = mapping.from.unwrap_or_default();
        let host = mapping.host_path.unwrap_or_default();
        writeln!(
            out,
            "mount {from:?} {:?} {host:?} {:?}",
            mapping.volume_name, mapping.mount_path
        )?;
    }
    writeln!(
        out,
        "entrypoint {:?}",
        manifest.entrypoint.clone().unwrap_or_default()
    )?;
    Ok(())
}

fn dump(file: &Path) -> Outcome<String> {
    let bytes = fs::read(file)?;
    let version = webc::detect(bytes.as_slice())?;
    let span = if version == Version::V2 {
        let span = v2::read::OwnedReader::parse(bytes.clone())?
            .index()
            .manifest
            .span;
        span.start + 9..span.end()
    } else {
        let span = v3::read::OwnedReader::parse(bytes.clone())?
            .index()
            .manifest
            .span;
        span.start + 41..span.end()
    };
    let cbor: ciborium::Value = ciborium::from_reader(&bytes[span.clone()])?;
    let mut out = format!(
        "version {version}\nmanifest {} {}\n",
        hash(&bytes[span]),
        cbor.is_map()
    );

    let container = Container::from_bytes_and_version(bytes.into(), version)?;
    container.validate()?;
    list_manifest(container.manifest(), &mut out)?;
    for (name, bytes) in container.atoms() {
        writeln!(out, "atom {name} {} {}", bytes.len(), hash(&bytes))?;
    }
    for (name, volume) in container.volumes() {
        writeln!(out, "volume {name}")?;
        list(&volume, &PathSegments::ROOT, &mut out)?;
    }
    Ok(out)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["write", folder, out, version] => write(Path::new(folder), Path::new(out), version),
        ["dump", file] => {
            print!("{}", dump(Path::new(file))?);
            Ok(())
        }
        _ => Err("usage: webc-crosscheck write DIR OUT 2|3 | dump FILE".into()),
    }
}
