//! Closures as handlers of keys, and what Enter means.

use rustyline::{Cmd, ConditionalEventHandler, Event, EventContext, EventHandler, RepeatCount};

/// Whether Enter continues the line, as in a shell, behind a backslash that no other one escapes.
pub(super) fn is_continued(context: &EventContext<'_>) -> bool {
    let line = context.line();
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    let is_command = line.starts_with(':') && !line.starts_with("::");
    backslashes % 2 == 1 && context.pos() == line.len() && !is_command
}

pub(super) fn on_key(
    command: impl Fn(&Event, &EventContext<'_>) -> Option<Cmd> + Send + Sync + 'static,
) -> EventHandler {
    EventHandler::Conditional(Box::new(KeyHandler(command)))
}

/// Closure as rustyline's handler of a key.
struct KeyHandler<F>(F);

impl<F> ConditionalEventHandler for KeyHandler<F>
where
    F: Fn(&Event, &EventContext<'_>) -> Option<Cmd> + Send + Sync,
{
    fn handle(&self, key: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        (self.0)(key, context)
    }
}
