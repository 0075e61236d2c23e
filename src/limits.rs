//! Limits of the program, each with its unit last in the name and its reason beside it.
//!
//! All that can grow with a peer's input is limited here. `:limits` prints them.

/// Time for a handshake from the opening of the socket to message 2, in milliseconds. The deadline
/// is for the whole, not for each read, so that a peer cannot extend it with a byte every nine
/// seconds.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;
/// Time from message 2 to record 5, and from there to record 6, in milliseconds: on one side or the
/// other somebody may be comparing fingerprints.
pub const JUDGEMENT_TIMEOUT_MS: u64 = 60_000;
/// Time that a caller may stay in the lobby of a listener, in milliseconds.
pub const LOBBY_TIMEOUT_MS: u64 = 60_000;
/// Time that the caller waits there, in milliseconds: the listener is to say how it ended.
pub const LOBBY_PATIENCE_MS: u64 = LOBBY_TIMEOUT_MS + HANDSHAKE_TIMEOUT_MS;
/// Invitations that are kept at once.
pub const INVITATIONS: usize = 64;
/// Time for which an invitation is open where none is named, in milliseconds.
pub const INVITATION_MS: u64 = 24 * 60 * 60 * 1_000;
/// Longest time for which one is open, in milliseconds.
pub const INVITATION_MAX_MS: u64 = 365 * INVITATION_MS;
/// Callers in the lobby at once.
pub const LOBBY_CALLERS: usize = 8;
/// Characters of the line of a caller in the lobby.
pub const KNOCK_CHARACTERS: usize = 280;
/// Bytes of that line in UTF-8.
pub const KNOCK_BYTES: usize = 4 * KNOCK_CHARACTERS;
/// Connections that have not yet proved a key, over all sources.
pub const UNAUTHENTICATED_CONNECTIONS: usize = 128;
/// Connections that have not yet proved a key, from one source address (IPv6: one /64).
pub const UNAUTHENTICATED_CONNECTIONS_EACH_SOURCE: usize = 16;
/// Those of them that are kept for addresses where a peer that the user chose was connected.
pub const RESERVED_CONNECTIONS: usize = 32;
/// Such addresses that are remembered, in memory only.
pub const CHOSEN_SOURCES: usize = 1_024;
/// Time for which they are remembered, in milliseconds: 30 days.
pub const CHOSEN_SOURCE_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Peers that nobody chose from one network (IPv4: a /24, IPv6: a /64), besides half of all.
pub const SEATS_EACH_SOURCE: usize = 32;
/// Such peers from one IPv6 /48.
pub const SEATS_EACH_SITE: usize = 4 * SEATS_EACH_SOURCE;
/// Rows about the joining and leaving of peers that nobody chose which may come at once.
pub const STRANGER_ROWS: u64 = 8;
/// Time between two such rows after that, in milliseconds; what comes more often is counted.
pub const STRANGER_ROW_MS: u64 = 1_000;
/// New connections a second from one source, sustained.
pub const CALLS_EACH_SECOND: u64 = 20;
/// New connections from one source that may come at once.
pub const CALLS_BURST: u64 = 5;
/// Source addresses whose call rate is remembered.
pub const SOURCES_REMEMBERED: usize = 65_536;
/// RSA private operations for unauthenticated peers that may wait for the one worker thread.
pub const UNAUTHENTICATED_JOBS: usize = 32;
/// Peers that may be connected at once where no editor runs.
pub const PEERS: usize = 1_024;
/// Peers that `--peers` can ask for.
pub const PEERS_MAX: usize = 50_000;
/// Descriptors besides those of connections: standard streams, listeners, files, the reactor's.
pub const OTHER_DESCRIPTORS: usize = 64;
/// Sockets an interactive prompt may hold: the line editor's `select` cannot see descriptors past
/// 1,023.
pub const PROMPT_SOCKETS: usize = 800;
/// Processes that may be connected to the socket of a home at once.
pub const LOCAL_CLIENTS: usize = 32;
/// Further ones that may be connected while they are told that there is no room.
pub const LOCAL_REFUSED: usize = 8;
/// Bytes that wait for such a process at most: one that does not read is closed.
pub const LOCAL_BACKLOG_BYTES: usize = 4 * 1024 * 1024;
/// Time in which the owner of a home answers, in milliseconds; else it is taken for stopped.
pub const OWNER_ANSWER_MS: u64 = 2_500;
/// Time between two looks of an owner whether the file of its socket is in its place, in
/// milliseconds: less than a process waits for it.
pub const SOCKET_LOOK_MS: u64 = 2_000;
/// Bytes of a line of a relay: its INFO names every node of a large cluster.
pub const RELAY_LINE_BYTES: usize = 32 * 1_024;
/// Bytes of a message of a relay with its headers: twice the largest that its streams take.
pub const RELAY_MESSAGE_BYTES: usize = 128 * 1_024;
/// Bytes of the longest letter (`docs/PROTOCOL.md`, 12.1).
pub const LETTER_BYTES: usize = 31 * LETTER_STEP_BYTES;
/// Bytes to a multiple of which a letter is padded.
pub const LETTER_STEP_BYTES: usize = 2_048;
/// Time for which a key for letters is valid, in milliseconds: 8 days. It is erased as long after
/// that at the latest.
pub const LETTER_KEY_MS: u64 = 8 * 24 * 60 * 60 * 1_000;
/// Time after which a key for letters is replaced that nobody has written to, in milliseconds.
pub const LETTER_KEY_RENEWAL_MS: u64 = 4 * 24 * 60 * 60 * 1_000;
/// Private keys for letters that are kept at once, of one pair.
pub const LETTER_KEYS: usize = 8;
/// Letters in one inbox, and time, in milliseconds, after which its writer goes on to the next.
pub const INBOX_LETTERS: u64 = 500;
/// See [`INBOX_LETTERS`].
pub const INBOX_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Time after which messages go out in a letter again, in milliseconds, if the peer has read no
/// letter since: the relay may have lost it.
pub const LETTER_AGAIN_MS: u64 = 24 * 60 * 60 * 1_000;
/// Time between two answers to letters that do not open, in milliseconds.
pub const LETTER_UNOPENED_MS: u64 = 60 * 60 * 1_000;
/// Time for each answer of a relay, in milliseconds.
pub const RELAY_ANSWER_MS: u64 = 5_000;
/// Silence of a relay before it is asked whether it is there, in milliseconds.
pub const RELAY_QUIET_MS: u64 = 30_000;
/// Letters on their way to a relay without its answer.
pub const RELAY_PUBLISHES: usize = 64;
/// Requests for letters without their answers.
pub const RELAY_READS: usize = 16;
/// Letters that were read and not taken yet; more are left at the relay.
pub const RELAY_LETTERS_AHEAD: usize = 64;
/// Bundles of one key that are read: a relay keeps as many.
pub const RELAY_BUNDLES: usize = 16;
/// First letters that may wait for the one before them.
pub const FIRST_LETTERS_AHEAD: usize = 16;
/// First letters that are known when they come again.
pub const FIRST_LETTERS_TAKEN: usize = 255;
/// Time between two looks at an inbox of which a relay says nothing, in milliseconds.
pub const RELAY_LOOK_MS: u64 = 60_000;
/// Bytes of one handshake message.
pub const HANDSHAKE_MESSAGE_BYTES: usize = 4_096;
/// Bits of an accepted RSA modulus, smallest.
pub const KEY_BITS_MIN: u32 = 2_048;
/// Bits of an accepted RSA modulus, largest.
pub const KEY_BITS_MAX: u32 = 8_192;
/// Bits of a key where none are named.
pub const KEY_BITS_DEFAULT: u32 = 3_072;
/// Bytes of memory that the key derivation of a key file may ask for; checked before it runs.
pub const KDF_MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes that scrypt may process for one key file, memory times passes: about a second.
pub const KDF_TRAFFIC_BYTES: u64 = 512 * 1024 * 1024;
/// Rounds of PBKDF2 for one key file: about a second.
pub const KDF_ROUNDS: u32 = 2_000_000;
/// Bytes of UTF-8 in one chat message.
pub const MESSAGE_BYTES: usize = 16_384;
/// Bytes of base64 that a terminal takes for its clipboard (OSC 52) at least, by what `xterm` once
/// took; others take more.
pub const CLIPBOARD_BYTES: usize = 74_994;
/// Bytes of one line of input, before it is parsed.
pub const LINE_BYTES: usize = 65_536;
/// Bytes of the texts of a line that can be undone to once it was begun anew.
pub const UNDO_BYTES: usize = 65_536;
/// Messages of this session that `:last` and `:search` can find.
pub const HISTORY_MESSAGES: usize = 10_000;
/// Bytes of memory that those messages may take together.
pub const HISTORY_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of memory that the messages of one peer that nobody chose may take.
pub const HISTORY_MET_BYTES: usize = 1024 * 1024;
/// Rows of one message on a screen, after wrapping; `:show` shows the rest.
pub const MESSAGE_ROWS: usize = 100;
/// Lines of a pasted block that are sent without asking.
pub const PASTE_LINES: usize = 5;
/// Bytes of a text from an external editor.
pub const EDITED_BYTES: u64 = 1024 * 1024;
/// Time between two bells or desktop notifications, in milliseconds.
pub const ALERT_EVERY_MS: u64 = 1_000;
/// Time between two drawings of the progress of a transfer, in milliseconds.
pub const PROGRESS_EVERY_MS: u64 = 500;
/// Cells of the column of names on a screen, at most.
pub const NAME_CELLS: usize = 20;
/// Lines of input read ahead from something that is not a terminal.
pub const LINES_AHEAD: usize = 64;
/// Time for what lies in the input as the program ends to be read, in milliseconds.
pub const LAST_INPUT_MS: u64 = 1_000;
/// Bytes of an AES-GCM tag, by which sealing lengthens a record.
pub const TAG_BYTES: usize = 16;
/// Bytes of one frame on the wire while chatting: a full message, its header and padding, and the
/// tag.
pub const CHAT_FRAME_BYTES: usize = 32_768 + TAG_BYTES;
/// Bytes of output that may wait before peers are no longer read.
pub const OUTPUT_BACKLOG_BYTES: usize = 1024 * 1024;
/// Bytes of messages that wait for somebody to show them before no peer at all is read.
pub const OWED_BYTES: usize = 16 * OUTPUT_BACKLOG_BYTES;
/// Bytes of one connection that `recv` may hold before it is no longer read: a peer that is slow to
/// be served holds up nobody else.
pub const CONNECTION_BACKLOG_BYTES: usize = 256 * 1024;
/// Commands of `recv --exec` that run at once.
pub const EXEC_COMMANDS: usize = 8;
/// Those of them that may be for peers whose key was not compared.
pub const EXEC_COMMANDS_UNVERIFIED: usize = 4;
/// Bytes of one frame on the wire of a pipe: all that a frame can have.
pub const PIPE_FRAME_BYTES: usize = 65_535;
/// Records in a row that carry nothing for the user: pings, pongs, receipts of nothing new.
pub const IDLE_RECORDS: u32 = 32;
/// Bytes waiting to be written to one peer.
pub const QUEUE_BYTES: usize = 256 * 1024;
/// Messages to one peer without a receipt.
pub const QUEUE_MESSAGES: usize = 1_000;
/// Silence after which a peer is pinged, in milliseconds.
pub const PING_AFTER_MS: u64 = 20_000;
/// Silence after which a peer is given up, in milliseconds.
pub const DEAD_AFTER_MS: u64 = 60_000;
/// Time for one address to accept a connection, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// Calls of a listener that answers that it is busy, at most.
pub const BUSY_CALLS: u32 = 6;
/// Time before a call is repeated, in milliseconds; it doubles with each.
pub const REDIAL_FIRST_MS: u64 = 1_000;
/// The longest such time, in milliseconds.
pub const REDIAL_MOST_MS: u64 = 60_000;
/// Time for which a connection stands before the delay is short again when it is lost, in
/// milliseconds.
pub const STANDING_MS: u64 = 60_000;
/// Time after a loss when the user is told that the peer still does not answer, in milliseconds.
pub const REDIAL_REPORT_MS: u64 = 600_000;
/// Difference between the clocks that tells that the machine was suspended, in milliseconds.
pub const SUSPEND_MS: u64 = 5_000;
/// Time between two attempts to accept while no file descriptor is left, in milliseconds.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// Time between two reports of the same kind (out of descriptors, refused callers), in
/// milliseconds.
pub const REPORT_EVERY_MS: u64 = 10_000;
/// Records in one direction under one key; then the key is replaced (Noise, section 4.2, `REKEY`).
pub const REKEY_RECORDS: u64 = 1 << 20;
/// Bytes in one direction after which a session is re-keyed: 1 GiB.
pub const REKEY_BYTES: u64 = 1 << 30;
/// Time after which it is re-keyed, in milliseconds: an hour.
pub const REKEY_AFTER_MS: u64 = 60 * 60 * 1_000;
/// Time that a peer which reads has for its part of a re-keying, in milliseconds.
pub const REKEY_TIMEOUT_MS: u64 = 60_000;
/// Characters of a display name.
pub const NAME_CHARS: usize = 32;
/// Bytes of a key file that is still read.
pub const KEY_FILE_BYTES: u64 = 65_536;
/// Bytes of a passphrase in a file or at a descriptor.
pub const PASSPHRASE_BYTES: usize = 4_096;
/// Bytes of a peer book that is still read.
pub const BOOK_BYTES: u64 = 4 * 1024 * 1024;
/// Time that `doctor` lets the other side speak first, in milliseconds: an rsachat never does, and
/// another program is not sent our bytes.
pub const LISTEN_FIRST_MS: u64 = 500;
/// Time that `doctor` allows for a name look-up, in milliseconds.
pub const LOOKUP_TIMEOUT_MS: u64 = 15_000;
/// Addresses of this machine that a listener at all of them says.
pub const DIALABLE_SHOWN: usize = 4;
/// Addresses of one name that `doctor` tries.
pub const ADDRESSES_TRIED: usize = 8;
/// Cells of the time before a message, in the form that the user chose.
pub const TIME_CELLS: usize = 32;
/// Bytes of a configuration file that is still read.
pub const CONFIG_BYTES: u64 = 65_536;
/// Time between two confirmations of the bytes of a pipe that were written, in milliseconds.
pub const CONFIRM_EVERY_MS: u64 = 250;
/// Time for receipts and orderly closes when the program ends, in milliseconds. With everything
/// else that an end takes it is a second.
pub const SHUTDOWN_GRACE_MS: u64 = 900;
/// Time for receipts of messages that the peer has on its disk, from one sign that it gets what is
/// kept for it to the next, where no other is given, in milliseconds.
pub const RECEIPT_MS: u64 = 30_000;
/// Time for output that its reader has not taken when the program ends, in milliseconds; the rest
/// is dropped.
pub const OUTPUT_GRACE_MS: u64 = 300;
/// Combining marks that may sit on one character of a peer's text, and joints of one emoji: more
/// would reach into the rows above and below.
pub const MARKS_EACH_BASE: usize = 8;
/// TCP port where none is named: the port of the tutorial this program grew from.
pub const PORT_DEFAULT: u16 = 8_000;
/// Time for sent bytes to leave after we close a connection, in milliseconds; the rest is dropped
/// then.
pub const FLUSH_TIMEOUT_MS: u64 = 5_000;
/// Time the peer has, after our end of stream, to send its own, in milliseconds. Closing before it
/// has done so would reset the connection and could destroy what it has not read yet.
pub const LINGER_MS: u64 = 1_000;
/// Time data may stay unacknowledged before the kernel gives a connection up (`TCP_USER_TIMEOUT`,
/// RFC 5482), in milliseconds: before a connection is established, and on the raw wire, which has
/// no pings.
pub const UNACKNOWLEDGED_MS: u64 = 30_000;
/// Bytes that the kernel takes for a peer and has not sent (`TCP_NOTSENT_LOWAT`).
pub const UNSENT_BYTES: u32 = 128 * 1024;
/// Silence after which the kernel probes a connection (`SO_KEEPALIVE`), and the time between two
/// probes, in milliseconds.
pub const KEEPALIVE_MS: u64 = 20_000;
/// Callers that the kernel may hold for one listener while the loop is busy (backlog).
pub const LISTEN_BACKLOG: i32 = 1_024;
/// Callers accepted from one listener before other sockets have their turn.
pub const CALLS_A_TURN: usize = 64;
/// Bytes read from one peer before other sockets have their turn. Each record of a turn can be a
/// call deeper in the core, so they are also bounded by the stack.
pub const LINK_TURN_BYTES: usize = 65_536;
/// Bytes handed to the kernel for one peer before other sockets have their turn: together, since
/// each call costs as much as its bytes.
pub const LINK_WRITE_BYTES: usize = 256 * 1024;
/// Bytes read from all peers together before the loop hands them on: bounds the memory of one turn.
pub const TURN_BYTES: usize = 1024 * 1024;
/// Peers that are kept of those that called and were not chosen.
pub const MET_PEERS: usize = 256;
/// Names of peers that are kept until the program ends; then newcomers are named by their keys.
pub const SESSION_NAMES: usize = 4_096;
/// Lasting connections of one peer at once, where each waits for replies of its own.
pub const CONNECTIONS_SIDE_BY_SIDE: usize = 8;
/// Questions of a program that wait for their answers.
pub const QUESTIONS: usize = 256;
/// Time that a question of a program waits for its answer unless it says another, in milliseconds.
pub const QUESTION_MS: u64 = 30_000;
/// Short-lived connections of one peer at once.
pub const SHORT_CONNECTIONS: usize = 4;
/// `Resume`s of one side on a connection.
pub const RESUMES: usize = 8;
/// Time after which a short-lived connection without a message is closed, in milliseconds.
pub const SHORT_IDLE_MS: u64 = 60_000;
/// Time to wait for another process to finish writing in the same home folder, in milliseconds.
pub const LOCK_TIMEOUT_MS: u64 = 5_000;
/// Bytes of a PEM block on the raw wire, what stands before it included: a key of 8,192 bits takes
/// 1,400.
pub const OAEP_PEM_BYTES: usize = 8_192;
/// Time for the dialled peer on the raw wire to begin its PEM, in milliseconds. The tutorial's
/// server generates its key only after it accepted the connection.
pub const OAEP_KEY_MS: u64 = 30_000;
/// Time that a caller on the raw wire may take to send a key or a block that opens, in
/// milliseconds. The tutorial's client sends nothing until its user has typed.
pub const OAEP_SILENT_MS: u64 = 600_000;
/// Such callers at once, over all sources; the one that is silent for longest makes room for the
/// next. Fewer than [`UNAUTHENTICATED_CONNECTIONS`], so that silence on the raw wire keeps nobody
/// off the native protocol.
pub const OAEP_SILENT_CALLERS: usize = 32;
/// Time in which a block on the raw wire that was begun must be whole, in milliseconds.
pub const OAEP_BLOCK_MS: u64 = 60_000;
/// Blocks in a row that do not open before a connection on the raw wire is closed: the stream is
/// out of step.
pub const OAEP_UNDECRYPTED: u32 = 3;
/// Time between a block and the `exit` behind it where no answer is waited for, in milliseconds: a
/// peer that reads both with one call can open neither.
pub const OAEP_EXIT_GAP_MS: u64 = 250;
/// Bits of a key for the raw wire where none are named: the tutorial's.
pub const OAEP_KEY_BITS_DEFAULT: u32 = 2_048;
/// Time between typing and arrival from which a message that was kept says so, in milliseconds.
pub const LATE_MESSAGE_MS: u64 = 60_000;
/// Longest time for which a commit to the store of messages waits for the next one, where nothing
/// follows from it, in milliseconds.
pub const COMMIT_DELAY_MS: u64 = 20;
/// Messages for the history that a command has not handed to the store; more wait for those.
pub const HISTORY_AHEAD: usize = 4_096;
/// Time between two looks at a store of messages that cannot be read, in milliseconds.
pub const STORE_RETRY_MS: u64 = 5_000;
/// Messages that wait for one peer, at most.
pub const OUTBOX_MESSAGES: usize = 10_000;
/// The same with those that were taken back and whose numbers the peer is yet to hear of.
pub const OUTBOX_ROWS: usize = 2 * OUTBOX_MESSAGES;
/// Bytes of the texts that wait for one peer, at most.
pub const OUTBOX_BYTES: usize = 16 * 1024 * 1024;
/// Time in which new counts of a pair are looked at together, in milliseconds: an hour.
pub const EPOCH_WINDOW_MS: u64 = 60 * 60 * 1_000;
/// New counts in that time that look like one identity in two places.
pub const EPOCHS_SUSPICIOUS: usize = 3;
/// Bytes of the name of a file or a folder, as file systems have it.
pub const FILE_NAME_BYTES: usize = 255;
/// Bytes of the path of a file in a folder that is offered.
pub const MANIFEST_PATH_BYTES: usize = 4_096;
/// Folders and a file that such a path names, at most.
pub const MANIFEST_DEPTH: usize = 64;
/// Files and empty folders of a folder that is offered.
pub const MANIFEST_ENTRIES: u32 = 1_000_000;
/// Bytes of the list of them.
pub const MANIFEST_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a file in one record: with its header it is padded to 32,768.
pub const FILE_CHUNK_BYTES: usize = 32_000;
/// Bytes that one read of what is sent gives.
pub const FILE_READ_BYTES: usize = 256 * 1024;
/// Bytes that a sender may be ahead of what the receiver has written.
pub const FILE_WINDOW_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes that ours is ahead: fewer, since they wait in the receiver's memory, and texts wait behind
/// them. By default the kernel has no more on its way either (`tcp_wmem`, 4 MiB with its
/// bookkeeping).
pub const FILE_AHEAD_BYTES: u64 = 3 * 1024 * 1024;
/// Bytes that are written between two reports of that, at most.
pub const FILE_HAVE_BYTES: u64 = 1024 * 1024;
/// Bytes that are written together while more wait: pieces of a page cost as much as whole ones.
pub const FILE_WRITE_BYTES: u64 = 512 * 1024;
/// Files that the second process lends to a confined one at once, each with two descriptors there;
/// the bytes of others pass through it.
pub const FILES_LENT: usize = 8;
/// Offers of files by one peer that are remembered.
pub const OFFERS_EACH_PEER: usize = 256;
/// Transfers that are refused at once while the peer takes none of the answers; more get none.
pub const REFUSALS_UNREAD: usize = 1_024;
/// Time for which an offer stands, in milliseconds: seven days.
pub const FILE_OFFER_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Parts of a manifest that are sent for one `List`.
pub const MANIFEST_PARTS: u32 = 8;
/// Bytes of a part of a manifest.
pub const MANIFEST_PART_BYTES: usize = 32_000;
/// Largest file that is sent or received: as large as one on most file systems. It bounds the
/// hashes that are kept of its blocks.
pub const FILE_BYTES: u64 = 16 * 1024 * 1024 * 1024 * 1024;
/// Bytes of a file without a size, below `/proc` for instance, that is sent all the same.
pub const FILE_STREAM_BYTES: u64 = 64 * 1024 * 1024;
/// Names that are tried for a file until one is free: `name (2).ext` and so on.
pub const FILE_NAMES_TRIED: u32 = 10_000;
/// Bytes of a file that are written before they are synchronised, at most.
pub const FILE_SYNC_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a file after which those that were written go to the disk, beside the writing of more.
pub const FILE_FLUSH_BYTES: u64 = 8 * 1024 * 1024;
/// Time for which bytes of a file are written before they are synchronised, in milliseconds.
pub const FILE_SYNC_MS: u64 = 5_000;
/// Time after which the part of a file that nobody goes on with may be removed, in milliseconds: 30
/// days.
pub const FILE_PART_KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Rows of the standard error of a command of `--via` that are shown; the others are dropped.
pub const VIA_ROWS: usize = 20;

/// Longest of them; more of it is another row.
pub const VIA_ROW_BYTES: u64 = 1_024;

/// Time that a command of `--via` has to end by itself, and after SIGTERM.
pub const VIA_END_MS: u64 = 1_000;
