//! Every limit of the program, each with its unit last in the name and its reason beside it. Nothing that
//! can grow with what a peer sends is without one; `:limits` prints this page.

/// Total time for a handshake, from the socket's first moment, in milliseconds. It is a deadline for the
/// whole, not for each read, so that a byte every nine seconds buys nothing.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;
/// Connections that have not yet proved a key, over all sources.
pub const UNPROVEN_LINKS: usize = 128;
/// Connections that have not yet proved a key, from one source address (IPv6: one /64).
pub const UNPROVEN_LINKS_EACH_SOURCE: usize = 16;
/// New connections a second from one source, sustained.
pub const CALLS_EACH_SECOND: u64 = 20;
/// New connections from one source that may come at once.
pub const CALLS_BURST: u64 = 5;
/// Source addresses whose call rate is remembered.
pub const SOURCES_REMEMBERED: usize = 65_536;
/// RSA private operations of unauthenticated peers that may wait for the one worker thread.
pub const UNAUTHENTICATED_JOBS: usize = 32;
/// Peers that may be connected at once where no editor runs.
pub const PEERS: usize = 1_024;
/// Sockets an interactive prompt may hold: the line editor's `select` cannot see descriptors past 1,023.
pub const PROMPT_SOCKETS: usize = 800;
/// Bytes of one handshake message.
pub const HANDSHAKE_MESSAGE_BYTES: usize = 4_096;
/// Bits of an accepted RSA modulus, smallest.
pub const KEY_BITS_MIN: u32 = 2_048;
/// Bits of an accepted RSA modulus, largest.
pub const KEY_BITS_MAX: u32 = 8_192;
/// Bits of a key that is made when nothing else is asked for.
pub const KEY_BITS_DEFAULT: u32 = 3_072;
/// Bytes of memory that the passphrase function of a key file may ask for; judged before it runs.
pub const KDF_MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes that scrypt may go over for one key file, memory times passes: about a second.
pub const KDF_TRAFFIC_BYTES: u64 = 512 * 1024 * 1024;
/// Rounds of PBKDF2 for one key file: about a second.
pub const KDF_ROUNDS: u32 = 2_000_000;
/// Bytes of UTF-8 in one chat message.
pub const MESSAGE_BYTES: usize = 16_384;
/// Bytes of one line of input, before anything is made of it.
pub const LINE_BYTES: usize = 65_536;
/// Messages of this session that `:last` and `:search` can find.
pub const MEMORY_MESSAGES: usize = 10_000;
/// Bytes of memory that those messages may take together.
pub const MEMORY_BYTES: usize = 8 * 1024 * 1024;
/// Lines of a pasted block that are sent without asking.
pub const PASTE_LINES: usize = 5;
/// Bytes of a text that is taken over from an external editor.
pub const EDITED_BYTES: u64 = 1024 * 1024;
/// Time between two bells or desktop notifications, in milliseconds.
pub const ALERT_EVERY_MS: u64 = 1_000;
/// Cells of the column of names on a screen, at most.
pub const NAME_CELLS: usize = 12;
/// Lines of input read ahead from something that is not a terminal.
pub const LINES_AHEAD: usize = 64;
/// Bytes of one frame on the wire while chatting: a full message, its header and padding, and the tag.
pub const CHAT_FRAME_BYTES: usize = 32_768 + 16;
/// Bytes of one frame on the wire of a pipe: all that a frame can have.
pub const PIPE_FRAME_BYTES: usize = 65_535;
/// Records in a row that carry nothing for the person: pings, pongs, receipts of nothing new.
pub const IDLE_RECORDS: u32 = 32;
/// Bytes waiting to be written to one peer.
pub const QUEUE_BYTES: usize = 256 * 1024;
/// Messages to one peer that have no receipt yet.
pub const QUEUE_MESSAGES: usize = 1_000;
/// Silence after which a peer is asked whether it is there, in milliseconds.
pub const PING_AFTER_MS: u64 = 20_000;
/// Silence after which a peer is given up, in milliseconds.
pub const DEAD_AFTER_MS: u64 = 60_000;
/// Time for one address to accept a connection, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// Time between two attempts to accept while no descriptors are left, in milliseconds.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// Time between two reports of the same kind (no descriptors left, refused callers), in milliseconds.
pub const REPORT_EVERY_MS: u64 = 10_000;
/// Records in one direction under one key; then the key is replaced (Noise, section 4.2, `REKEY`).
pub const REKEY_RECORDS: u64 = 1 << 20;
/// Characters of a display name.
pub const NAME_CHARS: usize = 32;
/// Bytes of a key file that is still read.
pub const KEY_FILE_BYTES: u64 = 65_536;
/// Bytes of a passphrase in a file or at a descriptor.
pub const PASSPHRASE_BYTES: usize = 4_096;
/// Bytes of a peer book that is still read.
pub const BOOK_BYTES: u64 = 4 * 1024 * 1024;
/// Time that `doctor` lets the other side speak first, in milliseconds: an rsachat never does, and what does is
/// not to be troubled with our bytes.
pub const LISTEN_FIRST_MS: u64 = 500;
/// Time that `doctor` gives the system to look a name up, in milliseconds.
pub const LOOKUP_TIMEOUT_MS: u64 = 15_000;
/// Addresses of one name that `doctor` tries.
pub const ADDRESSES_TRIED: usize = 8;
/// Cells of the time before a message, in the form that the user chose.
pub const TIME_CELLS: usize = 32;
/// Bytes of a configuration file that is still read.
pub const CONFIG_BYTES: u64 = 65_536;
/// Time between two confirmations of the bytes of a pipe that were written, in milliseconds.
pub const CONFIRM_EVERY_MS: u64 = 250;
/// Time for goodbyes and receipts when the program is told to end by a signal, in milliseconds. With what else an end
/// takes it is a second.
pub const FAREWELL_MS: u64 = 900;
/// Combining marks that may sit on one character of a peer's text, and joints of one emoji: more would
/// reach into the rows above and below.
pub const MARKS_EACH_BASE: usize = 8;
/// TCP port where none is named: the port of the tutorial this program grew from.
pub const PORT_DEFAULT: u16 = 8_000;
/// Time for what was sent to leave after a connection is closed, in milliseconds; the rest is dropped.
pub const FLUSH_TIMEOUT_MS: u64 = 5_000;
/// Time the peer has, after our end of stream, to send its own, in milliseconds. Closing before it has done so
/// would reset the connection and could destroy what it has not read yet.
pub const LINGER_MS: u64 = 1_000;
/// Time data may stay unacknowledged before the kernel gives a connection up (`TCP_USER_TIMEOUT`, RFC 5482),
/// in milliseconds: before a connection stands, and on the raw wire, where nobody asks for a sign of life.
pub const UNACKNOWLEDGED_MS: u64 = 30_000;
/// Silence after which the kernel probes a connection (`SO_KEEPALIVE`), and the time between two probes, in
/// milliseconds.
pub const KEEPALIVE_MS: u64 = 20_000;
/// Callers the kernel may hold for one listener while the loop is busy.
pub const LISTEN_BACKLOG: i32 = 1_024;
/// Callers accepted from one listener before everybody else has a turn.
pub const CALLS_A_TURN: usize = 64;
/// Bytes read from one peer, and bytes written to one peer, before everybody else has a turn.
pub const LINK_TURN_BYTES: usize = 65_536;
/// Bytes read from all peers together before the loop hands them on: bounds what one turn can hold in memory.
pub const TURN_BYTES: usize = 1024 * 1024;
/// Time to wait for another process to finish writing in the same home folder, in milliseconds.
pub const LOCK_TIMEOUT_MS: u64 = 5_000;
/// Bytes of a PEM block on the raw wire, what stands before it included: a key of 8,192 bits takes 1,400.
pub const RAW_PEM_BYTES: usize = 8_192;
/// Time for the peer that was dialled on the raw wire to begin its PEM, in milliseconds. The tutorial's server makes
/// its key only after it was called.
pub const RAW_KEY_MS: u64 = 30_000;
/// Time a caller on the raw wire may sit there without having sent a key or a block that opens, in milliseconds. The
/// tutorial's client says nothing until its user has typed.
pub const RAW_MUTE_MS: u64 = 600_000;
/// Callers on the raw wire that may sit there so at once, over all sources; the longest silent one makes room for the
/// next. Fewer than [`UNPROVEN_LINKS`], so that silence on this wire keeps nobody off the native one.
pub const RAW_MUTE_CALLERS: usize = 32;
/// Blocks in a row that do not open before a raw link is closed: the stream is out of step.
pub const RAW_UNREAD: u32 = 3;
/// Time between a block and the `exit` after it that is not held up by its answer, in milliseconds: a peer that reads
/// both with one call can open neither.
pub const RAW_APART_MS: u64 = 250;
/// Bits of a key for the raw wire when nothing else is asked for: the tutorial's.
pub const RAW_KEY_BITS_DEFAULT: u32 = 2_048;
