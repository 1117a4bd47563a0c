//! Ids of cgroups → their paths and names, as far as these are known.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{container, snapshot::Snapshot};

/// One cgroup of the hierarchy of version 2 that something was counted in.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct CgroupRow {
    /// Its id, which no other cgroup gets until the next boot.
    pub id: u64,
    /// Its path below the root of all cgroups; `None`: it was gone before anybody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The container or the unit that it is, by its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl CgroupRow {
    fn new(id: u64, paths: &BTreeMap<u64, String>) -> Self {
        let path = paths.get(&id).cloned();
        let name = path.as_deref().and_then(container::name);
        Self { id, path, name }
    }

    /// What to call it: by its name, else its path, else its id.
    pub fn label(&self) -> String {
        let Self { id, path, name } = self;
        let label = name.as_ref().or(path.as_ref());
        label.map_or_else(|| id_label(*id), Clone::clone)
    }

    /// Whether it is the one above all others, which tells nothing.
    fn is_root(&self) -> bool {
        self.path.as_deref() == Some("/")
    }
}

/// What a cgroup is called of which nothing but its id is known.
fn id_label(id: u64) -> String {
    format!("id {id}")
}

impl Snapshot {
    /// What to call a cgroup that a task or an event names; `None` where it names none.
    pub fn cgroup(&self, id: Option<u64>) -> Option<String> {
        let id = id?;
        let row = self.cgroups.iter().find(|row| row.id == id);
        Some(row.map_or_else(|| id_label(id), CgroupRow::label))
    }

    /// Whether some cgroup tells more than that there is one.
    pub fn has_cgroups(&self) -> bool {
        self.cgroups.iter().any(|row| !row.is_root())
    }
}

/// One row for each of the ids, ascending.
pub(super) fn rows(ids: &BTreeSet<u64>, paths: &BTreeMap<u64, String>) -> Vec<CgroupRow> {
    ids.iter().map(|id| CgroupRow::new(*id, paths)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_is_called_by_its_name_or_path_and_by_its_id_when_it_is_gone() {
        let paths = [(1, "/"), (40, "/system.slice/cron.service"), (41, "/own")];
        let paths = paths.map(|(id, path)| (id, path.to_owned())).into();
        let rows = rows(&[1, 40, 41, 42].into(), &paths);
        let labels: Vec<String> = rows.iter().map(CgroupRow::label).collect();
        assert_eq!(labels, ["/", "cron.service", "/own", "id 42"]);
        assert!(rows[0].is_root() && !rows[3].is_root());
    }
}
