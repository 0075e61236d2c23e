//! Model of a conversation: random acts of a person, of peers and of another process that has the
//! same book, against a chat without sockets, files or a clock.
//!
//! - `act` lists the acts, `link` is a peer at the other end of a connection.
//! - `world` performs them, does what the chat asks for, and keeps what the person has seen and
//!   chosen.
//! - `laws` is what has to hold, each law under its sentence.

mod act;
mod disk;
mod laws;
pub(super) mod link;
#[cfg(test)]
mod tests;
mod world;

use act::Act;
pub(super) use act::{Caller, NAMES};
use world::World;

use super::Choices;

/// Most acts of one input.
const ACTS: usize = 40;

pub fn model(data: &[u8]) {
    let mut choices = Choices::new(data);
    let chosen = || (!choices.is_empty()).then(|| Act::chosen(&mut choices));
    played(std::iter::from_fn(chosen).take(ACTS));
}

/// The world after these acts. The laws held after each.
fn played(acts: impl IntoIterator<Item = Act>) -> World {
    let mut world = World::new();
    for act in acts {
        world.perform(act);
        world.check();
    }
    world
}
