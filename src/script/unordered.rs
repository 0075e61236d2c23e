//! Assignment of rows to expectations whose order is free: a maximum matching of a bipartite graph
//! (Kuhn's algorithm), to which the rows come one after the other.

/// Most lines between `@unordered` and `@end`: each is a bit of a number.
pub(super) const LINES_MAX: usize = 64;

/// Rows that have been assigned to lines.
pub(super) struct Matching {
    /// Lines that each row is like.
    likes: Vec<Vec<usize>>,
    /// Row of each line.
    rows: Vec<Option<usize>>,
}

impl Matching {
    /// A matching of so many lines, without a row.
    pub(super) fn new(lines: usize) -> Self {
        Self { likes: Vec::new(), rows: vec![None; lines] }
    }

    /// Adds the next row, which is like these lines. Rows that have one keep one.
    pub(super) fn add(&mut self, likes: Vec<usize>) {
        self.likes.push(likes);
        self.assign(self.likes.len() - 1, &mut vec![false; self.rows.len()]);
    }

    /// Row of each line, where it has one.
    pub(super) fn rows(&self) -> &[Option<usize>] {
        &self.rows
    }

    /// Number of the lines that have a row.
    pub(super) fn count(&self) -> usize {
        self.rows.iter().flatten().count()
    }

    /// Gives a row a line that is free, or that becomes free as another row takes another line.
    fn assign(&mut self, row: usize, tried: &mut [bool]) -> bool {
        let likes = self.likes.get(row).cloned().unwrap_or_default();
        likes.into_iter().any(|line| {
            let Some(is_tried) = tried.get_mut(line) else { return false };
            if std::mem::replace(is_tried, true) {
                return false;
            }
            let is_free = match self.rows.get(line).copied().flatten() {
                None => true,
                Some(other) => self.assign(other, tried),
            };
            if let (true, Some(slot)) = (is_free, self.rows.get_mut(line)) {
                *slot = Some(row);
            }
            is_free
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_only_one_line_is_like_gets_it_whatever_came_before() {
        let mut matching = Matching::new(3);
        for likes in [vec![0, 1, 2], vec![0, 1], vec![0]] {
            matching.add(likes);
        }
        assert_eq!(matching.rows(), [Some(2), Some(1), Some(0)]);
        matching.add(vec![0, 1, 2]);
        assert_eq!((matching.count(), matching.rows()), (3, &[Some(2), Some(1), Some(0)][..]));
    }

    #[test]
    fn a_line_that_no_row_is_like_stays_without_one() {
        let mut matching = Matching::new(2);
        for likes in [vec![], vec![1], vec![1]] {
            matching.add(likes);
        }
        assert_eq!(matching.rows(), [None, Some(1)]);
    }
}
