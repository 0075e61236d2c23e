//! Files in scripts: values for what is included, and what a file of an actor must be.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::ast::{Directive, FileCheck};
use super::directive::{DirectiveArgs, SourceReader};
use super::lexer::{Result, TemplateKind, is_variable_name, parse_template};
use crate::time::UnixMs;

impl DirectiveArgs<'_> {
    /// `@include FILE [NAME=VALUE…]`
    pub(super) fn include(&self) -> Result<Directive> {
        let mut file = self.text("the name of a file")?;
        let mut values = Vec::new();
        for word in self.tokens.iter().rev() {
            let Some((name, value)) = word.text.split_once('=').filter(|(name, _)| is_variable_name(name))
            else {
                break;
            };
            values.push((name.to_owned(), value.to_owned()));
            file.truncate(file.trim_end().len() - word.text.len());
        }
        let file = file.trim().to_owned();
        if file.is_empty() {
            Err(self.usage("@include FILE [NAME=VALUE…]"))
        } else {
            Ok(Directive::Include { file, values })
        }
    }

    /// `@at 2026-11-26 09:30`: the beginning of the clock, in UTC.
    pub(super) fn start(&self) -> Result<UnixMs> {
        let text = self.text("a date and a time, such as 2026-11-26 09:30")?;
        let start = text.parse::<DateTime>().ok().and_then(|start| Offset::UTC.to_timestamp(start).ok());
        let ms = start.and_then(|start| u64::try_from(start.as_millisecond()).ok());
        ms.map(UnixMs).ok_or_else(|| self.usage("@at DATE [TIME], such as 2026-11-26 09:30"))
    }

    /// `@same FILE FILE`
    pub(super) fn same(&self) -> Result<Directive> {
        match self.tokens.as_slice() {
            [one, other] => Ok(Directive::CheckFile(FileCheck::Same(one.path()?, other.path()?))),
            _ => Err(self.usage("@same FILE FILE")),
        }
    }

    /// `@absent FILE`
    pub(super) fn absent(&self) -> Result<Directive> {
        match self.tokens.as_slice() {
            [file] => Ok(Directive::CheckFile(FileCheck::Absent(file.path()?))),
            _ => Err(self.usage("@absent FILE")),
        }
    }

    /// `@expect-file FILE <<TAG`
    pub(super) fn expected_file(&self, reader: &mut SourceReader<'_>) -> Result<Directive> {
        let usage = || self.usage("@expect-file FILE <<TAG");
        let [file, tag] = self.tokens.as_slice() else { return Err(usage()) };
        let path = file.path()?;
        let rows = tag.here_document(reader).unwrap_or_else(|| Err(usage()))?;
        let patterns = rows.lines().map(|row| {
            let place = |error| super::lexer::SyntaxError { at: tag.at..tag.at + tag.text.len(), ..error };
            Ok((row.to_owned(), parse_template(row, 0, TemplateKind::Expect).map_err(place)?))
        });
        Ok(Directive::CheckFile(FileCheck::Rows { path, rows: patterns.collect::<Result<_>>()? }))
    }
}

/// The text of an included file with values in the place of `${name}`, also of the first part of
/// `${name.port}`. The error is a name that it does not use.
pub(super) fn with_values(text: &str, values: &[(String, String)]) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut used = vec![false; values.len()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        out.push('$');
        rest = after;
        if let Some(literal) = after.strip_prefix('$') {
            out.push('$');
            rest = literal;
            continue;
        }
        let Some(inner) = after.strip_prefix('{') else { continue };
        let end = inner.find(['}', '.', ':']).unwrap_or(0);
        let (name, behind) = inner.split_at(end);
        let Some(index) = values.iter().position(|(given, _)| given == name) else { continue };
        if let (Some(used), Some((_, value))) = (used.get_mut(index), values.get(index)) {
            *used = true;
            if let Some(whole) = behind.strip_prefix('}') {
                out.pop();
                out.push_str(value);
                rest = whole;
            } else {
                out.push('{');
                out.push_str(value);
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    match values.iter().zip(used).find(|(_, used)| !used) {
        Some(((name, _), _)) => Err(name.clone()),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_for_names_and_for_the_first_part_of_names() {
        let values = [("a", "alice"), ("n", "5")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = "${a}> :listen 0\n${a}| at ${a.port:num}, $5, $${a}, ${ab}, $${n}${n}\n";
        let told = "alice> :listen 0\nalice| at ${alice.port:num}, $5, $${a}, ${ab}, $${n}5\n";
        assert_eq!(with_values(text, &values).as_deref(), Ok(told));
        assert_eq!(with_values("${a}", &values), Err("n".to_owned()));
    }
}
