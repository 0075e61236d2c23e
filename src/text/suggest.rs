//! Suggestion for a mistyped word ("did you mean"), by Damerau-Levenshtein distance.

/// The candidate nearest to a word, if one is near enough to be what was meant: about two letters
/// in three are the same.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate));
    near.min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| {
            let longer = word.chars().count().max(candidate.chars().count());
            *distance <= (1 + longer) / 3
        })
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not_taken_for_one() {
        for (word, candidate) in
            [("bbo", "bob"), ("bobby", "bob"), ("conect", "connect"), ("keygne", "keygen"), ("손닌", "손님")]
        {
            assert_eq!(nearest(word, ["x", candidate].into_iter()), Some(candidate));
        }
        for (word, candidate) in [("nope", "copy"), ("nope", "name"), ("foo", "bob"), ("철수", "영희")] {
            assert_eq!(nearest(word, [candidate].into_iter()), None, "{word}");
        }
    }
}
