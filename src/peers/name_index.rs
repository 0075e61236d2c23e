//! Index of names by what a quick reader sees of them: to find the owner of one costs the same in a
//! book of ten rows and of fifty thousand.

use std::collections::BTreeMap;

use super::name::Name;

/// Names and their owners.
#[derive(Clone, Debug)]
pub struct NameIndex<T> {
    by_shape: BTreeMap<String, Vec<T>>,
}

impl<T> Default for NameIndex<T> {
    fn default() -> Self {
        Self { by_shape: BTreeMap::new() }
    }
}

impl<T: Copy + PartialEq> NameIndex<T> {
    /// Adds a name of an owner.
    pub fn insert(&mut self, name: &Name, owner: T) {
        for shape in name.shapes() {
            self.by_shape.entry(shape).or_default().push(owner);
        }
    }

    /// Removes a name of an owner, once if it was added twice.
    pub fn remove(&mut self, name: &Name, owner: T) {
        for shape in name.shapes() {
            let Some(owners) = self.by_shape.get_mut(&shape) else { continue };
            if let Some(at) = owners.iter().position(|one| *one == owner) {
                owners.swap_remove(at);
            }
            if owners.is_empty() {
                self.by_shape.remove(&shape);
            }
        }
    }

    /// Owners of names that a quick reader could take for this one.
    #[must_use]
    pub fn alike(&self, name: &Name) -> Vec<T> {
        let mut found = Vec::new();
        for shape in name.shapes() {
            for owner in self.by_shape.get(&shape).into_iter().flatten() {
                if !found.contains(owner) {
                    found.push(*owner);
                }
            }
        }
        found
    }
}
