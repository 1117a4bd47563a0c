//! The line program of a unit → paths and lines.

use gimli::{AttributeValue, Result};
use rustc_hash::FxHashMap;

use super::{
    super::catalog::Source,
    unit::{Reader, Unit},
};

/// Longer paths are no source files (`PATH_MAX`, `include/uapi/linux/limits.h`).
const PATH_BYTES: usize = 4096;

/// A folder of every kernel's source tree, which tells where the tree begins.
const LANDMARK: &str = "/include/linux";

/// The source files of one unit.
pub(super) struct Files<'data, 'sections, 'unit> {
    unit: &'unit Unit<'data, 'sections>,
    /// What paths of the kernel's source tree begin with, its `/` included.
    root: Option<String>,
    paths: FxHashMap<u64, Option<String>>,
}

impl<'data, 'sections, 'unit> Files<'data, 'sections, 'unit> {
    pub(super) fn new(unit: &'unit Unit<'data, 'sections>) -> Self {
        let mut files = Self {
            unit,
            root: None,
            paths: FxHashMap::default(),
        };
        files.root = files.root();
        files
    }

    /// A line of a file, by the file's index; `None` where there is no such file or no line.
    pub(super) fn source(&mut self, file: u64, line: u64) -> Option<Source> {
        let line = u32::try_from(line).ok().filter(|&line| line > 0)?;
        if !self.paths.contains_key(&file) {
            let path = self.path(file);
            self.paths.insert(file, path);
        }
        let file = self.paths.get(&file)?.clone()?;
        Some(Source { file, line })
    }

    fn root(&self) -> Option<String> {
        let program = self.unit.inner.line_program.as_ref()?;
        let directories = program.header().include_directories();
        directories.iter().find_map(|&directory| {
            let directory = self.text(directory)?;
            let root = directory.strip_suffix(LANDMARK)?;
            Some(format!("{root}/"))
        })
    }

    fn path(&self, index: u64) -> Option<String> {
        let program = self.unit.inner.line_program.as_ref()?;
        let file = program.header().file(index)?;
        let name = self.text(file.path_name())?;
        let path = match file.directory(program.header()) {
            Some(directory) if !name.starts_with('/') => {
                // The first folder is the one of the compiler, which relative paths begin in.
                let first = file.directory_index() == 0;
                let directory = self.text(directory).filter(|_| !first);
                directory.map_or_else(|| name.clone(), |directory| format!("{directory}/{name}"))
            }
            _ => name,
        };
        let root = self.root.as_deref().unwrap_or("./");
        let inside = path.strip_prefix(root).or_else(|| path.strip_prefix("./"));
        Some(inside.unwrap_or(&path).to_owned())
    }

    fn text(&self, value: AttributeValue<Reader<'data>>) -> Option<String> {
        let text = self
            .unit
            .dwarf()
            .attr_string(&self.unit.inner, value)
            .ok()?;
        (text.len() <= PATH_BYTES).then(|| text.to_string_lossy().into_owned())
    }
}

/// The files and lines that addresses belong to; `addresses` are sorted. Reads no more than
/// `rows` rows.
///
/// # Errors
///
/// When the line program is malformed.
pub(super) fn lines(
    unit: &Unit<'_, '_>,
    addresses: &[u64],
    rows: usize,
) -> Result<FxHashMap<u64, (u64, u64)>> {
    let mut lines = FxHashMap::default();
    let Some(program) = unit.inner.line_program.clone() else {
        return Ok(lines);
    };
    let mut program = program.rows();
    // Where the current row begins, and its file and line.
    let mut current: Option<(u64, u64, u64)> = None;
    for _ in 0..rows {
        let Some((_, row)) = program.next_row()? else {
            break;
        };
        if let Some((start, file, line)) = current {
            let first = addresses.partition_point(|&address| address < start);
            let covered = addresses[first..]
                .iter()
                .take_while(|&&address| address < row.address());
            for &address in covered {
                lines.insert(address, (file, line));
            }
        }
        let line = row.line().map_or(0, std::num::NonZeroU64::get);
        current = (!row.end_sequence()).then_some((row.address(), row.file_index(), line));
    }
    Ok(lines)
}
