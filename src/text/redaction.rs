//! Redaction of what is written into files that others see: a text that an expression matches
//! becomes a name in brackets.

use regex::Regex;

/// Rules, and how often they were applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactions {
    rules: Vec<Redaction>,
    count: usize,
}

/// `REGEX` or `REGEX=NAME`: what is matched becomes `[NAME]`, or `[redacted]`.
#[derive(Clone, Debug)]
pub(crate) struct Redaction {
    regex: Regex,
    name: String,
}

impl std::str::FromStr for Redaction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-');
        let (regex, name) = match text.rsplit_once('=') {
            Some((regex, name)) if is_name(name) => (regex, name),
            _ => (text, "redacted"),
        };
        let regex = Regex::new(regex).map_err(|error| error.to_string())?;
        if regex.is_match("") {
            return Err("it matches empty text".to_owned());
        }
        Ok(Self { regex, name: name.to_owned() })
    }
}

impl Redactions {
    pub(crate) fn new(rules: Vec<Redaction>) -> Self {
        Self { rules, count: 0 }
    }

    /// The text with what the rules match replaced, in their order.
    pub(crate) fn apply(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for Redaction { regex, name } in &self.rules {
            let found = regex.find_iter(&text).count();
            if found > 0 {
                self.count += found;
                text = regex.replace_all(&text, regex::NoExpand(&format!("[{name}]"))).into_owned();
            }
        }
        text
    }

    /// Number of the places that were replaced so far.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_matched_becomes_the_name_and_is_counted() {
        let rules = ["tok_[a-z]+=TOKEN", "비밀\\d*"].map(|rule| rule.parse().unwrap());
        let mut redactions = Redactions::new(rules.into());
        assert_eq!(redactions.apply("a tok_x, tok_yz; 비밀12 $1"), "a [TOKEN], [TOKEN]; [redacted] $1");
        assert_eq!(redactions.count(), 3);
        assert!("(".parse::<Redaction>().is_err());
        assert!("x*".parse::<Redaction>().is_err());
    }
}
