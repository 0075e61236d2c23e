//! Handlers of the conversation core: `impl Chat`, one file for each kind of input.

mod calling;
mod commands;
mod history;
mod listings;
mod messages;
mod names;
mod oaep;
mod redial;
mod rivals;
mod seats;
mod sessions;
mod shutdown;
mod text;
mod trust;
