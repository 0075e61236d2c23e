//! Actors that are other programs: their start in a home, and their rows among those of the run.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;

use super::actors::Actors;
use super::runner::Run;
use super::spawn::{ProgramRow, ProgramSpec};
use crate::app::error::AppError;
use crate::script::matcher::ShownRow;
use crate::script::{Diagnostic, HomeState, Line};
use crate::store::safe_file;

/// Most rows that are taken from one program in one step; it waits with the rest.
const STEP_ROWS_MAX: usize = 4_096;

impl Actors {
    /// Starts the program of an actor.
    pub(crate) fn spawn(&mut self, actor: usize, spec: ProgramSpec, kept: HomeState) -> Result<(), AppError> {
        let folder = self.simulation.home(actor);
        if kept == HomeState::Fresh && folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        DirBuilder::new().recursive(true).mode(safe_file::FOLDER_MODE).create(&folder)?;
        self.programs.start(actor, spec, &folder)
    }

    /// Starts the program of an actor once more.
    pub(super) fn respawn(&mut self, actor: usize, kept: HomeState) -> Result<(), AppError> {
        match self.programs.spec(actor) {
            Some(spec) => self.spawn(actor, spec, kept),
            None => Ok(()),
        }
    }

    /// Types a text, and closes the input of a program.
    pub(crate) fn type_end(&mut self, actor: usize, text: &str) {
        self.programs.type_end(actor, text);
        self.simulation.screens.entered_line(actor);
    }

    /// Takes the rows that programs have shown. Returns whether there were any.
    pub(super) fn take_program_rows(&mut self) -> bool {
        let mut is_any = false;
        for actor in self.programs.actors() {
            let of_actor = self.simulation.shown.iter().filter(|one| one.actor == actor);
            if of_actor.count() >= STEP_ROWS_MAX {
                continue;
            }
            for row in self.programs.take_rows(actor) {
                is_any = true;
                match row {
                    ProgramRow::Event(event) => self.simulation.event(actor, event),
                    ProgramRow::Row(row) => {
                        let text = self.simulation.portable(actor, &row);
                        self.simulation.push_row(ShownRow::row(actor, text));
                    }
                }
            }
        }
        is_any
    }

    /// Rows that stand where a program writes next, until an expectation takes them.
    pub(crate) fn pending_rows(&self, actor: usize) -> Vec<ShownRow> {
        let row = |row: String| {
            let text = self.simulation.portable(actor, &row);
            ShownRow::row(actor, text)
        };
        self.programs.pending_rows(actor).into_iter().map(row).collect()
    }

    /// Takes so many of these rows: they are shown as they stand.
    pub(crate) fn take_pending_rows(&mut self, actor: usize, count: usize) {
        let rows = self.pending_rows(actor);
        rows.into_iter().take(count).for_each(|row| self.simulation.push_row(row));
        self.programs.take_pending_rows(actor, count);
    }
}

impl Run<'_> {
    /// Adds what is known of the program that an expectation waited for.
    pub(super) fn with_program_facts(&self, expected: &[&Line], mut diagnostic: Diagnostic) -> Diagnostic {
        let actor = expected.first().and_then(|line| line.expectation()).map(|(actor, _)| actor);
        if let Some(actor) = actor.filter(|actor| self.actors.is_spawned(*actor)) {
            // Its last rows are those of this step, and those before.
            diagnostic.notes.retain(|(heading, _)| *heading != "shown");
            diagnostic.notes.extend(self.actors.programs.facts(actor, self.script.label(actor)));
        }
        diagnostic
    }
}
