//! Scripts of a folder as tests of Rust (docs/TESTING.md, section 5).

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::app::error::AppError;
use crate::replay::files::{self, ScriptFile};
use crate::replay::reporter::{self, ScriptEnd};
use crate::replay::runner::{self, AfterDifference, RunOptions, Strictness, UpdateMode};
use crate::replay::screens::Drawing;
use crate::script::{Diagnostic, Parser, Script, SourceFile, diagnostic, markdown};

/// What becomes of the programs that scripts start with `@spawn`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnedPrograms {
    /// They run, as with `--allow-spawn`.
    Run,
    /// A script that starts one fails.
    Refuse,
}

/// Runs every script of a folder, or of a Markdown page, as a test of its own. The command line is
/// that of any test of Rust: a filter, `--list`, `--test-threads`.
///
/// It is the whole `main` of a test without a harness.
pub fn run_folder(folder: impl AsRef<Path>, programs: SpawnedPrograms) -> ExitCode {
    let arguments = Arguments::from_args();
    let tests = match files::find(folder.as_ref()) {
        Ok(files) => files.into_iter().map(|file| test(file, programs)).collect(),
        Err(error) => {
            let name = folder.as_ref().display().to_string();
            vec![Trial::test(name, move || Err(Failed::from(error.to_string())))]
        }
    };
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn test(file: ScriptFile, programs: SpawnedPrograms) -> Trial {
    let name = file.name();
    let short = Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned());
    Trial::test(short.unwrap_or(name), move || play(&file, programs).map_err(Failed::from))
}

/// Plays a script. The error is what `rsachat replay` would say.
fn play(file: &ScriptFile, programs: SpawnedPrograms) -> Result<(), String> {
    let told = |error: &AppError| error.to_string();
    let source = file.read().map_err(|error| told(&error))?;
    let mut loader = |name: &str, includer: &str| file.include(name, includer);
    let parsed = Parser::new(&mut loader).parse(&source);
    let mut script: Script = parsed.map_err(|(sources, mistakes)| drawn(&mistakes, &sources))?;
    if matches!(file, ScriptFile::Block { .. }) {
        markdown::trim(&mut script);
    }
    let mistakes = diagnostic::check(&script, &[]);
    if !mistakes.is_empty() {
        return Err(drawn(&mistakes, &script.sources));
    }
    if programs == SpawnedPrograms::Refuse && !script.spawned().is_empty() {
        return Err(format!("{} starts programs; SpawnedPrograms::Run allows it", file.name()));
    }
    let options = RunOptions {
        checking: Strictness::Open,
        seed: None,
        vars: Vec::new(),
        timeout_ms: None,
        after_difference: AfterDifference::Stop,
        update: UpdateMode::Keep,
        drawing: Drawing::Off,
    };
    let outcome = runner::run(&script, &options, &mut |_| {});
    match &outcome.end {
        ScriptEnd::Passed | ScriptEnd::Skipped(_) => Ok(()),
        ScriptEnd::Failed(error) => Err(told(error)),
        _ => Err(drawn(&outcome.diagnostics, &script.sources)),
    }
}

fn drawn(diagnostics: &[Diagnostic], sources: &[SourceFile]) -> String {
    let drawn: Vec<String> = diagnostics.iter().map(|one| reporter::draw(one, sources)).collect();
    drawn.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_passes_or_fails_with_what_a_replay_would_say() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("story.chat");
        let played = |text: &str, programs| {
            std::fs::write(&file, text).unwrap();
            play(&ScriptFile::File(file.clone()), programs)
        };
        assert_eq!(played(":peers\n| nobody $*\n", SpawnedPrograms::Refuse), Ok(()));
        assert_eq!(played("@skip not now\n:peers\n| x\n", SpawnedPrograms::Refuse), Ok(()));
        let failed = |text: &str| played(text, SpawnedPrograms::Refuse).unwrap_err();
        assert!(failed(":peers\n| somebody\n").contains("story.chat:2:3\n"));
        assert!(failed("@kil\n").contains("unknown directive @kil"));
        assert!(failed("> ${x}\n").contains("no value for ${x} yet"));
        let spawn = "@spawn p echo hi\np| hi\n";
        assert!(failed(spawn).ends_with("story.chat starts programs; SpawnedPrograms::Run allows it"));
        assert_eq!(played(spawn, SpawnedPrograms::Run), Ok(()));
    }
}
