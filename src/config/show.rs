//! Description of the settings in force, in the form of the file, with the source of each value.

use unicode_width::UnicodeWidthStr as _;

use super::{KEYS, Key, SettingSources};

impl SettingSources {
    /// One sentence on the configuration file.
    pub(crate) fn describe_file(&self) -> String {
        match (&self.path, &self.file) {
            (None, _) => "no configuration file is read".to_owned(),
            (Some(path), None) => format!("there is no {}; nothing is set", path.display()),
            (Some(path), Some(file)) => {
                let keys = match file.lines.len() {
                    1 => "1 key is".to_owned(),
                    count => format!("{count} keys are"),
                };
                format!("{} is right; {keys} set", path.display())
            }
        }
    }

    /// Every key in aligned rows, with the source of its value.
    pub(crate) fn rows(&self) -> Vec<String> {
        let rows = KEYS.each_ref().map(|key| self.row(key));
        let cells = rows.iter().map(|(row, _)| row.width()).max().unwrap_or_default();
        let aligned = rows.iter().map(|(row, origin)| {
            let blanks = " ".repeat(cells - row.width());
            format!("{row}{blanks}  # {origin}")
        });
        std::iter::once(format!("# {}", self.describe_file())).chain(aligned).collect()
    }

    /// A key as it would stand in the file, and the source of its value.
    fn row(&self, key: &Key) -> (String, String) {
        let file = self.file.as_ref();
        let line = file.and_then(|file| file.lines.get(key.name)).copied().unwrap_or_default();
        let sources = [
            (Some(&self.options), "command line".to_owned()),
            (Some(&self.environment), "environment".to_owned()),
            (file.map(|file| &file.layer), format!("file, line {line}")),
        ];
        for (layer, origin) in sources {
            if let Some(value) = layer.and_then(key.value) {
                return (format!("{} = {value}", key.name), origin);
            }
        }
        (format!("# {}", key.example), format!("not set: {}", key.default))
    }
}
