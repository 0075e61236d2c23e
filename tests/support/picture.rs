//! SVG pictures of replays, as rows of cells.

use quick_xml::events::{BytesStart, Event};
use unicode_width::UnicodeWidthStr as _;

/// Size of a cell, and the place of the first one in its screen, in pixels.
const CELL: (usize, usize) = (8, 19);
const FIRST: (usize, usize) = (10, 24);

/// Picture, whose rows come in the order in which they were painted.
#[derive(Debug, Default)]
pub struct Picture {
    pub titles: Vec<String>,
    pub rows: Vec<Row>,
    screens: Vec<[usize; 4]>,
}

/// Parts of a row, each with its screen and the number of its row.
type Placed = Vec<(usize, usize, Span)>;

/// Row as it was painted once.
#[derive(Debug)]
pub struct Row {
    pub screen: usize,
    pub number: usize,
    pub spans: Vec<Span>,
}

/// Text in one look: a class, or a colour.
#[derive(Clone, Debug)]
pub struct Span {
    pub column: usize,
    pub content: String,
    pub look: String,
}

impl Row {
    /// What stands in it, without blanks at its end.
    pub fn text(&self) -> String {
        let mut row = String::new();
        for span in &self.spans {
            let gap = span.column.checked_sub(row.width()).expect("texts beside each other");
            row.push_str(&" ".repeat(gap));
            row.push_str(&span.content);
        }
        row.trim_end().to_owned()
    }

    /// The look of a text in it.
    pub fn look_of(&self, wanted: &str) -> Option<&str> {
        self.spans.iter().find(|span| span.content == wanted).map(|span| span.look.as_str())
    }
}

impl Picture {
    /// # Panics
    /// If the picture is not well-formed, or a text is not as wide as its cells.
    pub fn parse(svg: &str) -> Self {
        let mut reader = quick_xml::Reader::from_str(svg);
        let (mut picture, mut open, mut text) = (Self::default(), Vec::new(), None::<(Span, [usize; 3])>);
        loop {
            match reader.read_event().expect("well-formed XML") {
                Event::Start(tag) if tag.name().as_ref() == b"text" => {
                    let length = attribute(&tag, "textLength").map(number);
                    let at = [number(needed(&tag, "x")), number(needed(&tag, "y")), length.unwrap_or(0)];
                    text = Some((Span { column: 0, content: String::new(), look: look(&tag) }, at));
                }
                Event::Start(_) => open.push(Vec::new()),
                Event::Empty(tag) if tag.name().as_ref() == b"rect" => {
                    let place = ["x", "y", "width", "height"].map(|name| number(needed(&tag, name)));
                    match look(&tag).as_str() {
                        "s" => picture.screens.push(place),
                        "c" => {
                            let cursor = Span { column: 0, content: " ".into(), look: "c".into() };
                            picture.put(&mut open, cursor, place);
                        }
                        _ => {}
                    }
                }
                Event::Text(part) => {
                    if let Some((text, _)) = &mut text {
                        text.content.push_str(&part.xml10_content().unwrap());
                    }
                }
                Event::GeneralRef(reference) => {
                    if let Some((text, _)) = &mut text {
                        let name = String::from_utf8(reference.to_vec()).unwrap();
                        text.content.push_str(&quick_xml::escape::unescape(&format!("&{name};")).unwrap());
                    }
                }
                Event::End(tag) if tag.name().as_ref() == b"text" => {
                    let (text, [x, y, length]) = text.take().expect("a text");
                    if text.look == "h" {
                        picture.titles.push(text.content);
                    } else {
                        assert_eq!(length, CELL.0 * text.content.width(), "{text:?} is as wide as its cells");
                        picture.put(&mut open, text, [x, y - 14, length, CELL.1]);
                    }
                }
                Event::End(_) => picture.rows.extend(open.pop().and_then(row_of)),
                Event::Eof => return picture,
                _ => {}
            }
        }
    }

    /// Rows of a still picture on the screen with this title, as a terminal would give them.
    pub fn screen(&self, title: &str) -> String {
        let screen = self.titles.iter().position(|one| one == title).expect("a screen");
        let mut rows = Vec::new();
        for row in self.rows.iter().filter(|row| row.screen == screen) {
            rows.resize(rows.len().max(row.number + 1), String::new());
            rows[row.number] = row.text();
        }
        rows.join("\n")
    }

    /// Whether this row is seen at some time.
    pub fn shows(&self, row: &str) -> bool {
        self.rows.iter().any(|one| one.text() == row)
    }

    fn put(&self, open: &mut [Placed], mut span: Span, place: [usize; 4]) {
        let [x, y, width, height] = place;
        let holds = |[left, top, w, h]: &[usize; 4]| {
            *left <= x && x + width <= left + w && *top <= y && y + height <= top + h
        };
        let screen = self.screens.iter().position(holds).expect("no text leaves its screen");
        let [left, top, ..] = self.screens[screen];
        let (x, y) = (x - left - FIRST.0, y - top - FIRST.1);
        assert_eq!((x % CELL.0, y % CELL.1), (0, 0), "{span:?} stands in cells");
        span.column = x / CELL.0;
        open.last_mut().expect("a row").push((screen, y / CELL.1, span));
    }
}

fn row_of(placed: Placed) -> Option<Row> {
    let (screen, number, _) = placed.first()?;
    let (screen, number) = (*screen, *number);
    assert!(placed.iter().all(|one| (one.0, one.1) == (screen, number)), "one row: {placed:?}");
    Some(Row { screen, number, spans: placed.into_iter().map(|(_, _, span)| span).collect() })
}

fn look(tag: &BytesStart<'_>) -> String {
    attribute(tag, "class").or_else(|| attribute(tag, "fill")).expect("a look")
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let value = tag.try_get_attribute(name).unwrap()?;
    Some(String::from_utf8(value.value.to_vec()).unwrap())
}

fn needed(tag: &BytesStart<'_>, name: &str) -> String {
    attribute(tag, name).unwrap_or_else(|| panic!("{tag:?} has no {name}"))
}

fn number(text: impl AsRef<str>) -> usize {
    text.as_ref().parse().expect("a number of pixels")
}
