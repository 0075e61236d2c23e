//! How notices look: time, aligned names in their peer's colour, wrapping by cells, days. What a notice says
//! is not decided here, and nothing is said by colour alone.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::ZonedDateTime;
use jiff::civil::Date;
use unicode_width::UnicodeWidthStr as _;

use super::colour::{self, Style};
use super::safety_card;
use super::size::Size;
use super::wrap::{answered, wrapped};
use crate::app::clock::local;
use crate::chat::display::{SafetyCard, earlier_messages};
use crate::chat::{Info, Message, Notice};
use crate::config::TimeFormat;
use crate::limits;
use crate::text::safe::SafeText;

/// Cells of the mark of a notice and its blank: its further rows stand beside it.
const MARK_CELLS: usize = 2;
/// Time in a list of what was said before: it may be of another day.
const PAST_CLOCK: &str = "%m-%d %H:%M";

/// Where the output goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutputMode {
    /// To a screen, which wraps.
    Screen,
    /// To something that takes lines.
    Lines,
    /// To something that takes events, one a line, in words: a screen reader, or a log.
    Words,
}

/// The form of everything that is shown. Copies share the day that was shown last.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) looks: OutputMode,
    pub(crate) style: Style,
    time: TimeFormat,
    /// Cells of the column of names.
    pub(crate) column: usize,
    day: Arc<Mutex<Option<Date>>>,
}

impl Layout {
    pub(crate) fn new(looks: OutputMode, style: Style, time: TimeFormat) -> Self {
        Self { looks, style, time, column: 0, day: Arc::default() }
    }

    /// The column that these names need, which very long ones do not widen.
    pub(crate) fn fit<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        self.column = names.map(|name| name.width().min(limits::NAME_CELLS)).max().unwrap_or(0);
    }

    /// A notice as it goes out at `now_ms`, whole rows, on a screen of that size if it is one.
    pub(crate) fn shown(&self, notice: &Notice, now_ms: u64, size: Size) -> String {
        let cells = size.cells;
        let moment = local(now_ms);
        let mut rows: Vec<String> = self.new_day(&moment).into_iter().collect();
        match (self.looks, notice) {
            (OutputMode::Screen, Notice::Table(table)) => rows.extend(laid_out(table, notice.rows(), cells)),
            (OutputMode::Screen, Notice::Answer(answer)) => {
                rows.extend(answer.iter().flat_map(|row| answered(row, cells)));
            }
            (OutputMode::Words, Notice::Answer(answer)) => rows.extend(answer.iter().cloned()),
            (OutputMode::Words | OutputMode::Lines, Notice::History { messages: said, earlier }) => {
                let before = colour::dim(&earlier_messages(*earlier), self.style);
                // In words there are no signs.
                let before =
                    if self.looks == OutputMode::Words { before.replace("… ", "") } else { before };
                rows.extend((*earlier > 0).then_some(before));
                for said in said {
                    let clock = self.past_clock(said, &moment);
                    rows.extend(self.heard(said).into_iter().map(|row| format!("{clock}{row}")));
                }
            }
            (OutputMode::Words, notice) => {
                let clock = self.clock(&moment);
                rows.extend(notice.sentences().into_iter().map(|row| format!("{clock}{row}")));
            }
            (OutputMode::Lines, Notice::Message(said)) => {
                let clock = self.clock(&local(said.arrived.0));
                rows.extend(self.heard(said).into_iter().map(|row| format!("{clock}{row}")));
            }
            (OutputMode::Lines, notice) => rows.extend(self.plain(notice)),
            (OutputMode::Screen, Notice::Message(said)) => {
                let clock = self.clock(&local(said.arrived.0));
                rows.extend(self.message(said, &clock, colour::of_said(said), cells));
            }
            (OutputMode::Screen, Notice::History { messages: said, earlier }) => {
                rows.extend((*earlier > 0).then(|| colour::dim(&earlier_messages(*earlier), self.style)));
                for said in said {
                    let clock = self.past_clock(said, &moment);
                    rows.extend(self.message(said, &clock, colour::of_said(said), cells));
                }
            }
            (OutputMode::Screen, Notice::Info(Info::Safety { name, number, fingerprint })) => {
                rows.extend(safety_card::laid_out(
                    &SafetyCard::new(name, number, fingerprint),
                    size,
                    self.style,
                ));
            }
            (OutputMode::Screen, notice) => rows.extend(self.marked(&notice.rows(), &moment, cells)),
        }
        rows.iter().flat_map(|row| [row.as_str(), "\n"]).collect()
    }

    /// A text of ours as it stands among the messages of others, without the last newline.
    pub(crate) fn own(&self, name: &str, text: &str, now_ms: u64, cells: usize) -> String {
        let moment = local(now_ms);
        let mut rows: Vec<String> = self.new_day(&moment).into_iter().collect();
        let clock = self.clock(&moment);
        rows.extend(self.lines(name, &SafeText::rows(text), &clock, colour::OWN, cells));
        rows.join("\n")
    }

    /// A message for something that takes lines.
    fn heard(&self, said: &Message) -> Vec<String> {
        let notice = Notice::Message(said.clone());
        if self.looks == OutputMode::Words {
            return notice.sentences();
        }
        let name = colour::painted(&said.name, colour::of_said(said), self.style);
        let rows = notice.rows().into_iter();
        rows.map(|row| format!("{name}{}", row.strip_prefix(&said.name).unwrap_or(&row))).collect()
    }

    /// What an editor says of itself, with its mark, as it stands among the news, without the last newline.
    pub(crate) fn aside(&self, told: &str, now_ms: u64, cells: usize) -> String {
        self.marked(&[told.to_owned()], &local(now_ms), cells).join("\n")
    }

    fn message(&self, said: &Message, clock: &str, paint: colour::Paint, cells: usize) -> Vec<String> {
        self.lines(&said.name, &said.rows, clock, paint, cells)
    }

    /// Every row of the text begins with the name, so that none can pass for another's.
    fn lines(
        &self,
        name: &str,
        text: &[SafeText],
        clock: &str,
        paint: colour::Paint,
        cells: usize,
    ) -> Vec<String> {
        let blank = text.iter().all(|row| row.as_str().is_empty());
        let gap = " ".repeat(self.column.saturating_sub(name.width()));
        let painted = colour::painted(name, paint, self.style);
        let margin = clock.width() + gap.width() + name.width() + 2;
        // A name wider than its column does not take the room of the rows below; news have none so far right.
        let below = margin.min(clock.width() + self.column + 2);
        let mut rows = Vec::new();
        for (at, row) in text.iter().enumerate() {
            let row = if blank { "(empty)" } else { row.as_str() };
            // The time stands once; the rows below it keep its place.
            let clock = if at == 0 { clock.to_owned() } else { " ".repeat(clock.width()) };
            let mut pieces = wrapped(row, margin, below, cells).into_iter();
            let first = pieces.next().unwrap_or_default();
            rows.push(format!("{clock}{gap}{painted}: {first}"));
            rows.extend(pieces);
            if blank {
                break;
            }
        }
        rows
    }

    /// News and troubles: their mark stands where the names end.
    fn marked(&self, told: &[String], moment: &ZonedDateTime, cells: usize) -> Vec<String> {
        let clock = self.clock(moment);
        let gap = " ".repeat(self.column.saturating_sub(1));
        let trouble = told.iter().any(|row| row.starts_with('!'));
        let paint = |row: &str| {
            if trouble {
                colour::painted(row, colour::TROUBLE, self.style)
            } else {
                colour::dim(row, self.style)
            }
        };
        let mut rows = Vec::new();
        for (at, row) in told.iter().enumerate() {
            let clock = if at == 0 { clock.clone() } else { " ".repeat(clock.width()) };
            let margin = clock.width() + gap.width();
            // Not so far right that no address has room.
            let below = (margin + MARK_CELLS).min(cells / 3);
            let mut pieces = wrapped(row, margin, below, cells).into_iter();
            let first = pieces.next().unwrap_or_default();
            rows.push(paint(&format!("{clock}{gap}{first}")));
            rows.extend(pieces.map(|piece| paint(&piece)));
        }
        rows
    }

    fn plain(&self, notice: &Notice) -> Vec<String> {
        let paint = |row: String| match notice {
            Notice::Info(_) => colour::dim(&row, self.style),
            Notice::Warning(_) => colour::painted(&row, colour::TROUBLE, self.style),
            _ => row,
        };
        notice.rows().into_iter().map(paint).collect()
    }

    /// What is said before belongs to its own time, and to its own day if that is another.
    fn past_clock(&self, said: &Message, now: &ZonedDateTime) -> String {
        let then = local(said.arrived.0);
        if self.time.strftime().is_some() && then.date() != now.date() {
            return format!("{} ", then.strftime(PAST_CLOCK));
        }
        self.clock(&then)
    }

    /// The time with a blank behind it, or nothing.
    fn clock(&self, moment: &ZonedDateTime) -> String {
        let written = |format| jiff::fmt::strtime::format(format, moment).unwrap_or_default();
        self.time
            .strftime()
            .map_or_else(String::new, |format| format!("{} ", SafeText::line(&written(format))))
    }

    /// A row between two days. The day on which the program began needs none.
    fn new_day(&self, now: &ZonedDateTime) -> Option<String> {
        let mut shown = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shown.replace(now.date())?;
        if before == now.date() || self.looks == OutputMode::Lines {
            return None;
        }
        let day = now.strftime("%A, %-d %B %Y");
        Some(match self.looks {
            OutputMode::Words => format!("day: {day}"),
            _ => colour::dim(&format!("--- {day} ---"), self.style),
        })
    }
}

/// A table as it is where it fits, else an entry after the other with the heads of its columns.
fn laid_out(table: &[Vec<String>], rows: Vec<String>, cells: usize) -> Vec<String> {
    let Some((head, entries)) = table.split_first().filter(|_| rows.iter().any(|row| row.width() > cells))
    else {
        return rows;
    };
    let mut laid_out = Vec::new();
    for entry in entries {
        laid_out.extend(entry.first().cloned());
        let fields = head.iter().zip(entry).skip(1);
        let fields: Vec<_> = fields.map(|(name, value)| format!("{name} {value}")).collect();
        for (at, piece) in wrapped(&fields.join(", "), 2, 2, cells).into_iter().enumerate() {
            laid_out.push(if at == 0 { format!("  {piece}") } else { piece });
        }
    }
    laid_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Fingerprint;
    use crate::time::UnixMs;

    const NOON_MS: u64 = 1_764_072_000_000;
    const DAY_MS: u64 = 86_400_000;

    fn said(name: &str, text: &str, arrived_ms: u64) -> Notice {
        Notice::Message(Message {
            name: name.to_owned(),
            fingerprint: Some(Fingerprint::of(name.as_bytes())),
            trust_level: crate::chat::TrustLevel::Unverified,
            arrived: UnixMs(arrived_ms),
            sent: UnixMs(arrived_ms),
            text: text.into(),
            rows: SafeText::rows(text),
        })
    }

    fn size(cells: usize) -> Size {
        Size { cells, rows: 24 }
    }

    fn form() -> Layout {
        let mut form = Layout::new(OutputMode::Screen, Style::Plain, TimeFormat::parse("%d").unwrap());
        form.fit(["bob", "앨리스"].into_iter());
        form
    }

    #[test]
    fn names_end_and_texts_begin_in_the_same_column() {
        let form = form();
        let shown = form.shown(&said("bob", "hi", NOON_MS), NOON_MS, size(40))
            + &form.own("앨리스", "안녕\n둘", NOON_MS, 40)
            + "\n"
            + &form.shown(&Notice::Info(Info::Left { name: "bob".to_owned() }), NOON_MS, size(40));
        let day = local(NOON_MS).strftime("%d").to_string();
        assert_eq!(
            shown,
            format!("{day}    bob: hi\n{day} 앨리스: 안녕\n   앨리스: 둘\n{day}      * bob left\n")
        );
    }

    #[test]
    fn what_was_said_before_keeps_its_own_time_in_lines_and_in_words() {
        let Notice::Message(one) = said("bob", "hi\n둘", NOON_MS) else { panic!("a message") };
        let past = Notice::History { messages: vec![one], earlier: 2 };
        let then = local(NOON_MS).strftime("%H").to_string();
        let shown = |looks| {
            let form = Layout::new(looks, Style::Plain, TimeFormat::parse("%H").unwrap());
            // Two hours later the clock says something else, at most once in a day and night on another day.
            let later_ms = NOON_MS + 2 * 3_600_000;
            let shown = form.shown(&past, later_ms, size(40));
            shown.replace(&local(NOON_MS).strftime(PAST_CLOCK).to_string(), &then)
        };
        assert_eq!(
            shown(OutputMode::Lines),
            format!("… and 2 earlier ones\n{then} bob: hi\n{then} bob: 둘\n")
        );
        assert_eq!(shown(OutputMode::Words), format!("and 2 earlier ones\n{then} bob says: hi / 둘\n"));
    }

    #[test]
    fn a_table_in_words_has_no_signs_for_what_is_not_there() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let table = Notice::Table(vec![
            row(["name", "trust", "since", "address"]),
            row(["bob", "verified", "5 s", "[::1]:8000"]),
            row(["hana", "unverified", "-", ""]),
        ]);
        let form = Layout::new(OutputMode::Words, Style::Plain, TimeFormat::none());
        assert_eq!(
            form.shown(&table, NOON_MS, size(80)),
            "name bob, trust verified, since 5 s, address [::1]:8000\nname hana, trust unverified\n"
        );
    }

    #[test]
    fn a_new_day_is_said_once() {
        let form = form();
        let first = form.shown(&said("bob", "late", NOON_MS), NOON_MS, size(80));
        assert!(!first.contains("---"), "{first}");
        let next = form.own("앨리스", "early", NOON_MS + DAY_MS, 80);
        let day = local(NOON_MS + DAY_MS).strftime("--- %A, %-d %B %Y ---").to_string();
        assert!(next.starts_with(&day), "{next}");
        assert!(!form.shown(&said("bob", "x", 0), NOON_MS + DAY_MS, size(80)).contains("---"));
    }

    #[test]
    fn no_row_of_a_message_on_a_screen_begins_at_the_left_edge() {
        let form = form();
        let text = format!("한 줄\n* eve joined, verified\n{}! trouble", "x ".repeat(90));
        let shown = form.shown(&said("bob", &text, NOON_MS), NOON_MS, size(40));
        for row in shown.lines() {
            assert!(row.starts_with(' ') || row.contains(" bob: "), "{row:?}");
            assert!(row.width() <= 40, "{row:?}");
        }
    }
}
