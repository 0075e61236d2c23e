//! Layout of notices: time, names aligned in their peer's colour, word wrap, separators of days.
//!
//! Nothing is said by colour alone.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::ZonedDateTime;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use unicode_width::UnicodeWidthStr as _;

use super::colour::{self, ColourDepth};
use super::cut::{RowLimit, cut, in_one_row};
use super::wrap::{LongUrls, rows_on_screen, wrap_answer, wrap_behind};
use super::{Size, invitation_card, safety_card};
use crate::app::os::in_zone;
use crate::chat::display::{NOTHING, SafetyCard, aligned, earlier_messages, more_rows, table_of_people};
use crate::chat::{Chat, Info, InvitationsInfo, Message, Notice, SentMessage};
use crate::config::TimeFormat;
use crate::limits;
use crate::text::safe::SafeText;
use crate::time::UnixMs;

/// Cells of the mark of a notice and its blank; its continuation rows are indented by them.
const MARK_CELLS: usize = 2;
/// Time in a list of the history, of a message of another day.
const HISTORY_TIME: &str = "%m-%d %H:%M";

/// Kind of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutputMode {
    /// A screen, with word wrap.
    Screen,
    /// A file or a pipe of lines.
    Lines,
    /// One event a line, in words, for a screen reader or a log.
    Words,
}

/// Layout of all output. Copies share the day that was shown last.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) mode: OutputMode,
    pub(crate) depth: ColourDepth,
    /// Where nothing is wrapped here.
    limit: RowLimit,
    time: TimeFormat,
    zone: TimeZone,
    /// Cells of the column of names.
    column: usize,
    day: Arc<Mutex<Option<Date>>>,
}

impl Layout {
    pub(crate) fn new(mode: OutputMode, depth: ColourDepth, time: TimeFormat) -> Self {
        let (limit, zone) = (RowLimit::None, TimeZone::system());
        Self { mode, depth, limit, time, zone, column: 0, day: Arc::default() }
    }

    /// Sets how much of a message is shown where nothing is wrapped.
    #[must_use]
    pub(crate) fn with_limit(self, limit: RowLimit) -> Self {
        Self { limit, ..self }
    }

    /// Sets the time zone of the times, instead of that of this machine.
    #[must_use]
    pub(crate) fn in_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    fn local(&self, unix_ms: u64) -> ZonedDateTime {
        in_zone(unix_ms, self.zone.clone())
    }

    /// Fits the column of names to who is present and to our own name, except to very long ones.
    pub(crate) fn fit_to(&mut self, chat: &Chat) {
        let (present, own) = (chat.present(), chat.view().own_name);
        self.fit_column(present.iter().map(String::as_str).chain([own.as_str()]));
    }

    /// Fits the column of names to these too, except to very long ones. It never becomes narrower,
    /// so that what was shown before stays in its column.
    pub(crate) fn fit_column<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let widths = names.map(str::width).filter(|cells| *cells <= limits::NAME_CELLS);
        self.column = widths.max().unwrap_or(0).max(self.column);
    }

    /// Cells of the column of names on a screen of so many.
    fn column(&self, cells: usize) -> usize {
        self.column.min(name_cells(cells))
    }

    /// A notice that is shown now, in whole rows.
    pub(crate) fn render(&self, notice: &Notice, now: UnixMs, size: Size) -> String {
        self.render_rewritten(notice, now, size, &str::to_owned)
    }

    /// The same with rows of ours rewritten before a screen wraps them.
    pub(crate) fn render_rewritten(
        &self,
        notice: &Notice,
        now: UnixMs,
        size: Size,
        rewrite: &dyn Fn(&str) -> String,
    ) -> String {
        // In words each that a text of ours was sent to is named; see [`Layout::sent`].
        let is_told_otherwise = self.mode == OutputMode::Words && matches!(notice, Notice::Own(_));
        if is_told_otherwise || matches!(notice, Notice::Counted(_)) {
            return String::new();
        }
        self.render_any(notice, now, size, rewrite)
    }

    /// A text of ours on its way, for a screen reader, which is told of each receiver.
    pub(crate) fn sent(&self, sent: &SentMessage, now: UnixMs, size: Size) -> Option<String> {
        let own = || Notice::Own(sent.message.clone());
        (self.mode == OutputMode::Words).then(|| self.render_any(&own(), now, size, &str::to_owned))
    }

    fn render_any(
        &self,
        notice: &Notice,
        now: UnixMs,
        size: Size,
        rewrite: &dyn Fn(&str) -> String,
    ) -> String {
        let now = self.local(now.0);
        let rows = match self.mode {
            OutputMode::Screen => self.screen_rows(notice, &now, size, rewrite),
            OutputMode::Lines | OutputMode::Words => self.plain_rows(notice, &now, size.cells),
        };
        self.day_separator(&now).into_iter().chain(rows).map(|row| row + "\n").collect()
    }

    /// A message of ours on a screen, without the last newline.
    pub(crate) fn own_message(&self, name: &str, text: &str, now: UnixMs, cells: usize) -> String {
        let now = self.local(now.0);
        let time = self.time_prefix(&now);
        let rows = self.message_rows(name, &SafeText::rows(text), &time, colour::OWN, cells);
        self.day_separator(&now).into_iter().chain(rows).collect::<Vec<_>>().join("\n")
    }

    /// A note of the editor, which begins with its mark, without the last newline.
    pub(crate) fn note(&self, text: &str, now: UnixMs, cells: usize) -> String {
        let gap = self.column(cells).saturating_sub(1);
        self.marked_rows(&[SafeText::line(text).to_string()], gap, &self.local(now.0), cells).join("\n")
    }

    fn screen_rows(
        &self,
        notice: &Notice,
        now: &ZonedDateTime,
        size: Size,
        rewrite: &dyn Fn(&str) -> String,
    ) -> Vec<String> {
        let cells = size.cells;
        let rewritten = |rows: &[String]| rows.iter().map(|row| rewrite(row)).collect::<Vec<_>>();
        let message_rows = |message: &Message, time: &str| {
            self.message_rows(&message.author(), &message.rows, time, colour::of_sender(message), cells)
        };
        let cut_rows = |message: &Message, time: &str| {
            let mut rows = message_rows(message, time);
            let more = cut_off(&mut rows, cells);
            if more > 0 {
                let indent = " ".repeat(time.width());
                let row = format!("{indent}{}", more_rows(more, message.number));
                rows.push(colour::paint(&row, colour::DIM, self.depth));
            }
            rows
        };
        match notice {
            Notice::Message(message) | Notice::Own(message) => {
                cut_rows(message, &self.time_prefix(&self.local(message.arrived.0)))
            }
            Notice::Whole(message) => message_rows(message, &self.history_time(message, now)),
            Notice::History { messages, earlier } => {
                let earlier = self.earlier_row(*earlier);
                let rows = |message| cut_rows(message, &self.history_time(message, now));
                earlier.into_iter().chain(messages.iter().flat_map(rows)).collect()
            }
            Notice::Table(table) => {
                let table: Vec<_> = table_of_people(table).iter().map(|row| rewritten(row)).collect();
                table_rows(&table, aligned(&table), cells)
            }
            Notice::Answer(_) => {
                rewritten(&notice.rows()).iter().flat_map(|row| wrap_answer(row, cells)).collect()
            }
            Notice::Info(Info::Safety { name, number, fingerprint, trust_level }) => {
                let card = SafetyCard::new(name, number, fingerprint, *trust_level);
                safety_card::render(&card, size, self.depth)
            }
            Notice::Info(Info::Invitations(InvitationsInfo::Made { made })) => {
                let title: Vec<_> = rewritten(&notice.rows()).into_iter().take(1).collect();
                let gap = self.column(cells).saturating_sub(1);
                let title = self.marked_rows(&title, gap, now, cells);
                invitation_card::render(title, made.invitation.to_string(), size, self.depth)
            }
            _ => {
                let forms: Vec<_> = notice.rows_by_length().iter().map(|rows| rewritten(rows)).collect();
                self.shortest_rows(&forms, now, cells)
            }
        }
    }

    fn plain_rows(&self, notice: &Notice, now: &ZonedDateTime, cells: usize) -> Vec<String> {
        match notice {
            Notice::Answer(_) => notice.rows(),
            Notice::History { messages, earlier } => {
                let earlier = self.earlier_row(*earlier);
                let rows = |message| self.cut_message(message, &self.history_time(message, now), cells);
                earlier.into_iter().chain(messages.iter().flat_map(rows)).collect()
            }
            Notice::Whole(message) => self.plain_message(message, &self.history_time(message, now)),
            Notice::Message(message) | Notice::Own(message) if self.mode == OutputMode::Words => {
                self.cut_message(message, &self.time_prefix(now), cells)
            }
            _ if self.mode == OutputMode::Words => prefixed(&self.time_prefix(now), notice.sentences()),
            Notice::Message(message) | Notice::Own(message) => {
                self.cut_message(message, &self.time_prefix(&self.local(message.arrived.0)), cells)
            }
            Notice::Info(_) | Notice::Warning(_) => {
                let attribute = colour::of_marked(&notice.rows());
                notice.rows().iter().map(|row| colour::paint(row, attribute, self.depth)).collect()
            }
            Notice::Table(_) | Notice::Counted(_) => notice.rows(),
        }
    }

    /// A row above a part of the history, if messages came before it.
    fn earlier_row(&self, earlier: usize) -> Option<String> {
        let row = colour::paint(&earlier_messages(earlier), colour::DIM, self.depth);
        let row = if self.mode == OutputMode::Words { row.replace("… ", "") } else { row };
        (earlier > 0).then_some(row)
    }

    /// A message where nothing is wrapped here, as far as it may be shown.
    fn cut_message(&self, message: &Message, time: &str, cells: usize) -> Vec<String> {
        let unsaid = Message { rows: Vec::new(), ..message.clone() };
        let margin = match self.mode {
            OutputMode::Words => Notice::Message(unsaid).sentences().iter().map(|row| row.width()).sum(),
            _ => message.author().width() + 2,
        };
        let margin = time.width() + margin;
        let (shown, more) = match (self.limit, self.mode) {
            (RowLimit::None, _) => return self.plain_message(message, time),
            (RowLimit::Terminal, OutputMode::Words) => cut(&in_one_row(message), margin, cells),
            (RowLimit::Terminal, _) => cut(message, margin, cells),
        };
        let mut rows = self.plain_message(&shown, time);
        if more > 0 {
            let row = colour::paint(&more_rows(more, message.number), colour::DIM, self.depth);
            rows.push(if self.mode == OutputMode::Words { row.replace("… ", "") } else { row });
        }
        rows
    }

    fn plain_message(&self, message: &Message, time: &str) -> Vec<String> {
        let notice = Notice::Message(message.clone());
        if self.mode == OutputMode::Words {
            return prefixed(time, notice.sentences());
        }
        let author = message.author();
        let name = colour::paint(&author, colour::of_sender(message), self.depth);
        let rows = notice.rows().into_iter();
        rows.map(|row| format!("{time}{name}{}", row.strip_prefix(&author).unwrap_or(&row))).collect()
    }

    /// Rows of a message on a screen. Each begins with the name, so that none can pass for
    /// another's.
    fn message_rows(
        &self,
        name: &str,
        text: &[SafeText],
        time: &str,
        attribute: colour::Attribute,
        cells: usize,
    ) -> Vec<String> {
        let is_empty = text.iter().all(|row| row.as_str().is_empty());
        let text = if is_empty { vec!["(empty)"] } else { text.iter().map(SafeText::as_str).collect() };
        let column = self.column(cells);
        let gap = " ".repeat(column.saturating_sub(name.width()));
        let margin = time.width() + gap.width() + name.width() + 2;
        // A long name does not take the room of the rows below; notices have none so far right.
        let indent = margin.min(time.width() + column + 2);
        let paint = |row: &str| colour::paint(row, attribute, self.depth);
        let mut rows = Vec::new();
        for (at, row) in text.into_iter().enumerate() {
            // The time stands once; the rows below it keep its place.
            let time = if at == 0 { time.to_owned() } else { " ".repeat(time.width()) };
            let (before, margin) = if stands_apart(name, margin, cells) {
                let name =
                    wrap_behind("", time.width(), &format!("{name}:"), indent, cells, LongUrls::Wrapped);
                rows.extend(name.iter().enumerate().map(|(at, row)| match at {
                    0 => time.clone() + &paint(row),
                    _ => paint(row),
                }));
                (" ".repeat(indent), indent)
            } else {
                (format!("{time}{gap}{}: ", paint(name)), margin)
            };
            rows.extend(wrap_behind(&before, margin, row, indent, cells, LongUrls::LeftToTerminal));
        }
        rows
    }

    /// Rows of the longest form of a notice that takes the fewest. Where it saves one, the mark
    /// stands left of its column.
    fn shortest_rows(&self, forms: &[Vec<String>], now: &ZonedDateTime, cells: usize) -> Vec<String> {
        let gap = self.column(cells).saturating_sub(1);
        let rows = |gap| forms.iter().map(move |form| self.marked_rows(form, gap, now, cells));
        let narrower = if forms.len() > 1 { 0 } else { gap };
        rows(gap).chain(rows(narrower)).min_by_key(Vec::len).unwrap_or_default()
    }

    /// Rows of information and warnings on a screen; their mark stands where the names end.
    fn marked_rows(&self, text: &[String], gap: usize, now: &ZonedDateTime, cells: usize) -> Vec<String> {
        let time = self.time_prefix(now);
        let gap = " ".repeat(gap);
        let attribute = colour::of_marked(text);
        let margin = time.width() + gap.width();
        // Not so far right that no address has room.
        let indent = (margin + MARK_CELLS).min(cells / 3);
        let mut rows = Vec::new();
        for (at, row) in text.iter().enumerate() {
            let time = if at == 0 { time.clone() } else { " ".repeat(time.width()) };
            let wrapped = wrap_behind(&format!("{time}{gap}"), margin, row, indent, cells, LongUrls::Wrapped);
            rows.extend(wrapped.iter().map(|row| colour::paint(row, attribute, self.depth)));
        }
        rows
    }

    /// The time of a message in the history, with its day if that is another.
    fn history_time(&self, message: &Message, now: &ZonedDateTime) -> String {
        let then = self.local(message.arrived.0);
        if self.time.strftime().is_some() && then.date() != now.date() {
            return format!("{} ", then.strftime(HISTORY_TIME));
        }
        self.time_prefix(&then)
    }

    /// The time with a blank behind it, or nothing.
    fn time_prefix(&self, time: &ZonedDateTime) -> String {
        let formatted = |format| jiff::fmt::strtime::format(format, time).unwrap_or_default();
        self.time
            .strftime()
            .map_or_else(String::new, |format| format!("{} ", SafeText::line(&formatted(format))))
    }

    /// A row between two days. The day on which the program began needs none.
    fn day_separator(&self, now: &ZonedDateTime) -> Option<String> {
        let mut shown = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = shown.replace(now.date())?;
        if previous == now.date() {
            return None;
        }
        let day = now.strftime("%A, %-d %B %Y");
        match self.mode {
            OutputMode::Lines => None,
            OutputMode::Words => Some(format!("day: {day}")),
            OutputMode::Screen => Some(colour::paint(&format!("--- {day} ---"), colour::DIM, self.depth)),
        }
    }
}

/// Takes away the rows of a message that a screen has no room for. Returns how many they are there;
/// a URL, which the terminal wraps, is never cut.
fn cut_off(rows: &mut Vec<String>, cells: usize) -> usize {
    let width = |row: &str| colour::looks(row).map(|(_, text)| text.width()).sum();
    let on_screen = |row: &String| rows_on_screen(width(row), cells);
    let all: usize = rows.iter().map(on_screen).sum();
    let mut shown = 0;
    let fits = |row: &&String| {
        let end = shown + on_screen(row);
        let fits = end <= limits::MESSAGE_ROWS;
        shown = if fits { end } else { shown };
        fits
    };
    let kept = rows.iter().take_while(fits).count();
    rows.truncate(kept);
    all - shown
}

fn prefixed(time: &str, rows: Vec<String>) -> Vec<String> {
    rows.into_iter().map(|row| format!("{time}{row}")).collect()
}

/// A table in its rows where they fit, else one entry after the other with the heads of its
/// columns. A cell without a value is left out there.
fn table_rows(table: &[Vec<String>], rows: Vec<String>, cells: usize) -> Vec<String> {
    let Some((head, entries)) = table.split_first().filter(|_| rows.iter().any(|row| row.width() > cells))
    else {
        return rows;
    };
    let mut narrow = Vec::new();
    for entry in entries {
        narrow.extend(entry.first().cloned());
        let fields = head.iter().zip(entry).skip(1).filter(|(_, value)| !NOTHING.contains(&value.as_str()));
        let fields: Vec<_> = fields.map(|(name, value)| format!("{name} {value}")).collect();
        narrow.extend(wrap_behind("  ", 2, &fields.join(", "), 2, cells, LongUrls::Wrapped));
    }
    narrow
}

/// Cells that a name in its column has at most on a screen of so many.
fn name_cells(cells: usize) -> usize {
    (cells / 3).clamp(1, limits::NAME_CELLS)
}

/// Whether an author has rows of its own above the text: one that its column does not hold, which
/// may name receivers besides as long as the text has room.
fn stands_apart(author: &str, margin: usize, cells: usize) -> bool {
    let (sender, _) = author.split_once(" → ").unwrap_or((author, ""));
    sender.width() > name_cells(cells) || margin > cells - cells / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::os::local;
    use crate::chat::KeyStatus;
    use crate::chat::TrustLevel;
    use crate::crypto::Fingerprint;
    use crate::time::UnixMs;
    use crate::wire::Lifetime;

    const NOON: UnixMs = UnixMs(1_764_072_000_000);
    const DAY_MS: u64 = 86_400_000;

    fn message(name: &str, text: &str, UnixMs(arrived_ms): UnixMs) -> Notice {
        Notice::Message(Message {
            to: Vec::new(),
            name: name.to_owned(),
            fingerprint: Some(Fingerprint::of(name.as_bytes())),
            trust_level: crate::chat::TrustLevel::Unverified,
            lifetime: Lifetime::Lasting,
            arrived: UnixMs(arrived_ms),
            sent: UnixMs(arrived_ms),
            arrival: crate::chat::Arrival::Prompt,
            text: text.into(),
            rows: SafeText::rows(text),
            number: 57,
        })
    }

    fn size(cells: usize) -> Size {
        Size { cells, rows: 24 }
    }

    fn layout() -> Layout {
        let mut layout =
            Layout::new(OutputMode::Screen, ColourDepth::Monochrome, TimeFormat::parse("%d").unwrap());
        layout.fit_column(["bob", "앨리스"].into_iter());
        layout
    }

    #[test]
    fn names_end_and_texts_begin_in_the_same_column() {
        let layout = layout();
        let day = local(NOON.0).strftime("%d").to_string();
        let shown = layout.render(&message("bob", "hi", NOON), NOON, size(40));
        assert_eq!(shown, format!("{day}    bob: hi\n"));
        let shown = layout.own_message("앨리스", "안녕\n둘", NOON, 40);
        assert_eq!(shown, format!("{day} 앨리스: 안녕\n   앨리스: 둘"));
        let left = Notice::Info(Info::Left { name: "bob".to_owned(), fingerprint: None });
        assert_eq!(layout.render(&left, NOON, size(40)), format!("{day}      * bob left\n"));
    }

    #[test]
    fn every_text_begins_in_the_column_of_texts_and_no_name_reaches_the_left_edge() {
        let text = "one two three four five six seven eight nine ten";
        let (wide, hangul) = ("a-name-of-32-cells-is-a-long-name", "가나다라마바사아자차카타파하");
        for cells in [40, 80] {
            for name in ["bob", "a-name-of-20-cells-x", wide, hangul, &hangul.repeat(2)] {
                for author in [name.to_owned(), format!("alice → {name}")] {
                    let mut layout = layout();
                    layout.fit_column(["alice", name].into_iter());
                    let shown = layout.own_message(&author, text, NOON, cells);
                    let before = shown.split("one").next().unwrap().replace([' ', '\n'], "");
                    let day = local(NOON.0).strftime("%d").to_string();
                    assert_eq!(before, format!("{day}{author}:").replace(' ', ""));
                    let column = day.len() + 1 + layout.column(cells) + 2;
                    for (at, row) in shown.lines().enumerate() {
                        assert!(row.width() <= cells, "{shown}");
                        let indent = row.len() - row.trim_start().len();
                        assert!(at == 0 || indent == column, "{shown}");
                        let begins = row.find("one").map(|at| row[..at].width());
                        assert!(begins.is_none_or(|at| at == column || author.contains('→')), "{shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_column_of_names_only_grows() {
        let mut layout = layout();
        layout.fit_column(["bob"].into_iter());
        let shown = layout.render(&message("bob", "hi", NOON), NOON, size(40));
        assert!(shown.ends_with("    bob: hi\n"), "{shown:?}");
    }

    #[test]
    fn what_was_said_before_keeps_its_own_time_in_lines_and_in_words() {
        let Notice::Message(one) = message("bob", "hi\n둘", NOON) else { panic!("a message") };
        let past = Notice::History { messages: vec![one], earlier: 2 };
        let then = local(NOON.0).strftime("%H").to_string();
        let shown = |mode| {
            let layout = Layout::new(mode, ColourDepth::Monochrome, TimeFormat::parse("%H").unwrap());
            // Two hours later the clock says something else, at most once in a day and night on
            // another day.
            let later = UnixMs(NOON.0 + 2 * 3_600_000);
            let shown = layout.render(&past, later, size(40));
            shown.replace(&local(NOON.0).strftime(HISTORY_TIME).to_string(), &then)
        };
        let lines = format!("… and 2 earlier ones\n{then} bob: hi\n{then} bob: 둘\n");
        assert_eq!(shown(OutputMode::Lines), lines);
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
        let layout = Layout::new(OutputMode::Words, ColourDepth::Monochrome, TimeFormat::none());
        let rows = "name bob, trust verified, since 5 s, address [::1]:8000\nname hana, trust unverified\n";
        assert_eq!(layout.render(&table, NOON, size(80)), rows);
    }

    #[test]
    fn a_row_of_a_peer_that_joins_always_says_that_its_key_is_new_and_unverified() {
        let (own, joined) = ("가나다라마바사아자차", |name: &str| {
            let fingerprint = Fingerprint::of(b"key");
            let (name, status, trust_level) = (name.to_owned(), KeyStatus::New, TrustLevel::Met);
            Notice::Info(Info::Joined { name, fingerprint, status, trust_level })
        });
        for (name, cells, rows) in [
            ("bob", 80, 1),
            ("민지민지민지", 80, 1),
            ("bob", 40, 2),
            (own, 80, 2),
            (own, 40, 3),
            (own, 120, 1),
        ] {
            let time = TimeFormat::parse("12:00").unwrap();
            let mut layout = Layout::new(OutputMode::Screen, ColourDepth::Monochrome, time);
            layout.fit_column([name, own].into_iter());
            let shown = layout.render(&joined(name), NOON, size(cells));
            let shown = shown.trim_end_matches('\n');
            assert_eq!(shown.lines().count(), rows, "{name} {cells}: {shown}");
            let is_unverified = shown.contains("unverified") || shown.contains(&format!("{name}? "));
            assert!(shown.contains(" new") && is_unverified, "{name} {cells}: {shown}");
            let packed: String = shown.split_whitespace().collect();
            assert!(packed.contains(&Fingerprint::of(b"key").to_string()), "{shown}");
        }
    }

    #[test]
    fn a_new_day_is_said_once() {
        let layout = layout();
        let first = layout.render(&message("bob", "late", NOON), NOON, size(80));
        assert!(!first.contains("---"), "{first}");
        let next = layout.own_message("앨리스", "early", UnixMs(NOON.0 + DAY_MS), 80);
        let day = local(NOON.0 + DAY_MS).strftime("--- %A, %-d %B %Y ---").to_string();
        assert!(next.starts_with(&day), "{next}");
        let old = layout.render(&message("bob", "x", UnixMs(0)), UnixMs(NOON.0 + DAY_MS), size(80));
        assert!(!old.contains("---"), "{old}");
    }

    #[test]
    fn a_message_takes_a_hundred_rows_of_the_screen_and_the_rest_when_it_is_asked_for() {
        let layout = layout();
        let text = "x\n".repeat(95) + &"y ".repeat(400);
        let shown = layout.render(&message("bob", &text, NOON), NOON, size(40));
        let rows: Vec<_> = shown.lines().collect();
        assert_eq!(rows.len(), limits::MESSAGE_ROWS + 1);
        let Notice::Message(whole) = message("bob", &text, NOON) else { panic!("a message") };
        let all = layout.render(&Notice::Whole(whole), NOON, size(40));
        let more = all.lines().count() - limits::MESSAGE_ROWS;
        assert_eq!(rows[limits::MESSAGE_ROWS], format!("   … and {more} more rows (:show 57)"));
    }

    #[test]
    fn a_url_counts_as_the_rows_that_the_terminal_makes_of_it_and_is_shown_whole_or_not_at_all() {
        let layout = Layout::new(OutputMode::Screen, ColourDepth::Ansi256, TimeFormat::none());
        for (length, lines, more) in
            [(40 * 99, 0, 0), (40 * 99 + 1, 0, 100), (40, 98, 0), (41, 98, 2), (10_000, 0, 250)]
        {
            let url = format!("https://a.kr/{}", "x".repeat(length - 13));
            let text = "x\n".repeat(lines) + &url;
            let shown = layout.render(&message("bob", &text, NOON), NOON, size(40));
            assert_eq!(shown.lines().any(|row| row == url), more == 0, "{length}");
            let rest = format!("… and {more} more rows (:show 57)");
            assert_eq!(shown.contains("more rows"), more > 0, "{length}");
            assert!(more == 0 || shown.contains(&rest), "{length}: {shown}");
            let Notice::Message(whole) = message("bob", &text, NOON) else { panic!("a message") };
            assert!(layout.render(&Notice::Whole(whole), NOON, size(40)).lines().any(|row| row == url));
        }
    }

    #[test]
    fn a_message_is_cut_on_a_terminal_without_an_editor_too_and_whole_for_a_program() {
        let shown = |mode, limit, text: &str| {
            let layout = Layout::new(mode, ColourDepth::Monochrome, TimeFormat::none()).with_limit(limit);
            layout.render(&message("bob", text, NOON), NOON, size(10))
        };
        let many = "x\n".repeat(299) + "x";
        let wide = "가".repeat(1_500);
        for (mode, text, more) in [
            (OutputMode::Lines, &many, "… and 200 more rows (:show 57)\n"),
            (OutputMode::Lines, &wide, "… and 201 more rows (:show 57)\n"),
            (OutputMode::Words, &many, "and 21 more rows (:show 57)\n"),
            (OutputMode::Words, &wide, "and 201 more rows (:show 57)\n"),
        ] {
            let cut = shown(mode, RowLimit::Terminal, text);
            let rows: usize = cut.lines().map(|row| row.width().div_ceil(10)).sum();
            assert!(cut.ends_with(more) && rows <= limits::MESSAGE_ROWS + 4, "{rows}: {cut}");
            let whole = shown(mode, RowLimit::None, text);
            assert_eq!(whole.matches(['x', '가']).count(), text.matches(['x', '가']).count());
        }
        assert_eq!(shown(OutputMode::Lines, RowLimit::Terminal, "hi\n둘"), "bob: hi\nbob: 둘\n");
    }

    #[test]
    fn no_row_of_a_message_on_a_screen_begins_at_the_left_edge() {
        let layout = layout();
        let text = format!("한 줄\n* eve joined, verified\n{}! trouble", "x ".repeat(90));
        let shown = layout.render(&message("bob", &text, NOON), NOON, size(40));
        for row in shown.lines() {
            assert!(row.starts_with(' ') || row.contains(" bob: "), "{row:?}");
            assert!(row.width() <= 40, "{row:?}");
        }
    }
}
