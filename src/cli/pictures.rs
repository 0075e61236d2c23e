//! Pictures of a replayed script: options, and the files that are written.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::app::error::{AppError, code, describe, shown};
use crate::replay::screencast::{Motion, Screencast};
use crate::replay::screens::Drawing;
use crate::script::Script;
use crate::text::redaction::{Redaction, Redactions};

#[derive(Args, Debug)]
pub(crate) struct PictureArgs {
    /// Draw the screens of the actors, as their terminals look and key by key, as an SVG picture
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "fmt", "update"])]
    svg: Option<PathBuf>,
    /// Draw only the last moment
    #[arg(long, requires = "svg")]
    still: bool,
    /// Write what --svg draws as an asciicast, for terminals to play
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "fmt", "update"])]
    cast: Option<PathBuf>,
    /// Replace what matches REGEX with [NAME], or [redacted], in --svg and --cast
    #[arg(long, value_name = "REGEX[=NAME]")]
    redact: Vec<Redaction>,
}

impl PictureArgs {
    /// Refuses pictures of several scripts.
    pub(crate) fn check(&self, scripts: usize) -> Result<(), AppError> {
        let has_pictures = self.drawing() == Drawing::On;
        if has_pictures && scripts != 1 {
            return Err(AppError::new(code::USAGE, "--svg and --cast draw one script").hint("name one file"));
        }
        if !has_pictures && !self.redact.is_empty() {
            return Err(AppError::new(code::USAGE, "--redact is for --svg and --cast"));
        }
        Ok(())
    }

    /// Whether a picture is made.
    pub(crate) fn drawing(&self) -> Drawing {
        if self.svg.is_some() || self.cast.is_some() { Drawing::On } else { Drawing::Off }
    }

    /// Recorder of a script, if there is to be a picture.
    pub(crate) fn screencast(&self, script: &Script) -> Option<Screencast> {
        let is_wanted = self.drawing() == Drawing::On;
        is_wanted.then(|| Screencast::new(script, Redactions::new(self.redact.clone())))
    }

    /// Writes the pictures, over files that are there.
    pub(crate) fn write(&self, screencast: Option<&Screencast>) -> Result<(), AppError> {
        let Some(screencast) = screencast else { return Ok(()) };
        let motion = if self.still { Motion::Still } else { Motion::Animated };
        if let Some(path) = &self.svg {
            save(path, &screencast.to_svg(motion))?;
        }
        if let Some(path) = &self.cast {
            save(path, &screencast.to_asciicast())?;
        }
        Ok(())
    }
}

fn save(path: &Path, text: &str) -> Result<(), AppError> {
    std::fs::write(path, text).map_err(|error| {
        AppError::new(code::MACHINE, format!("cannot write {}: {}", shown(path), describe(&error)))
    })
}
