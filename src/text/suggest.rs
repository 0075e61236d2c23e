//! Suggestion for a mistyped word ("did you mean"), by Damerau-Levenshtein distance.

/// The candidate nearest to a word, if one is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    near.min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3)
        .map(|(_, candidate)| candidate)
}
