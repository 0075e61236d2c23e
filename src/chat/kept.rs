//! Messages that are kept until the other side has them: the ledger, and what follows once its
//! changes are on disk.

use std::collections::{BTreeSet, VecDeque};

use super::addressee::Echo;
use super::export::ExportTarget;
use super::file_io::TransferNumber;
use super::io::CommitTiming;
use super::letters::LetterStep;
use super::notice::{Message, Warning};
use super::types::HeldMessage;
use crate::crypto::{Fingerprint, Seed};
use crate::delivery::{
    Exposure, HistoryEntry, HistoryQuery, Inbound, Ledger, Pairs, SettledWithdrawal, StoredHistory,
    Withdrawal,
};
use crate::ids::{ConnId, FaceId};
use crate::time::{MonoMs, UnixMs};
use crate::wire::{Epoch, PairNumber, Resume};

/// Ledger of the chat, with the commits that are under way.
pub(crate) struct KeptMessages {
    pub(crate) ledger: Ledger,
    /// What follows each commit that was asked for, in their order.
    pub(crate) commits: VecDeque<Vec<AfterCommit>>,
    /// What follows the next one.
    pub(crate) next: Vec<AfterCommit>,
    /// When it is made, if nothing follows it.
    pub(crate) timing: CommitTiming,
    /// Answers of commits that fail with one that was answered.
    pub(crate) failing: usize,
    /// Moment at which the store is looked at again, while it cannot be read.
    pub(crate) retry_at: Option<MonoMs>,
    /// Texts of commits that failed, which may be on disk all the same.
    pub(crate) unsure: Vec<UnsureText>,
    /// Moment before which nothing is taken back whose time has passed, since that failed.
    pub(crate) expire_at: Option<MonoMs>,
    /// Whether there is a history on disk, kept in this session or before.
    pub(crate) stored_history: StoredHistory,
    /// Messages for the history that the next commit takes.
    pub(crate) history: Vec<HistoryEntry>,
    /// What is looked for in the history and not answered, in its order.
    pub(crate) queries: VecDeque<PendingQuery>,
    /// Moment at which what is too old is deleted from the history again.
    pub(crate) forget_at: Option<MonoMs>,
    /// Peers with whom the last connection closed since one side had no room to keep what came.
    pub(crate) without_room: BTreeSet<Fingerprint>,
    /// Peers that nobody chose and texts to whom would be kept then, as the user was told.
    pub(crate) told_to_choose: BTreeSet<Fingerprint>,
    /// Peers that have not chosen us and keep nothing, as the user was told.
    pub(crate) told_not_chosen: BTreeSet<Fingerprint>,
    /// Peers that are away and whose user was told that text to them is queued.
    pub(crate) told: BTreeSet<Fingerprint>,
    /// Messages that were taken back in this session, since their time had passed.
    pub(crate) expired: BTreeSet<(Fingerprint, u64)>,
}

/// Query of the history that is not answered.
pub(crate) struct PendingQuery {
    pub(crate) face: FaceId,
    pub(crate) query: HistoryQuery,
    pub(crate) found_use: FoundUse,
}

/// Use of what is found in the history.
pub(crate) enum FoundUse {
    /// It is listed.
    List,
    /// The oldest of the last so many messages is taken out of the chat.
    Export { to: ExportTarget, number: usize },
}

/// Next step of a transfer that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TransferStep {
    /// What a peer offers was accepted: its place on disk is opened.
    OpenTarget(TransferNumber),
    /// All of it is written: it gets its name. Its part is known by then, so that a process that
    /// follows one killed meanwhile finds it under that name.
    NameTarget(TransferNumber),
    /// A file or folder of the user's is offered.
    Offer { face: FaceId, number: TransferNumber },
    /// The receipt of one that is on disk is sent.
    Filed(TransferNumber),
}

/// Text of a peer of which it is not known whether it is on disk.
pub(crate) struct UnsureText {
    pub(crate) peer: Fingerprint,
    pub(crate) number: PairNumber,
    pub(crate) sent: UnixMs,
    pub(crate) text: Vec<u8>,
}

/// Step that is due once a change is on disk.
pub(crate) enum AfterCommit {
    /// A text of ours is accepted.
    Accept { face: FaceId, peer: Fingerprint, seq: u64, text: String, echo: Echo },
    /// The peer is told what we have; where it has told already, both agree from here on.
    Resume { conn: ConnId, resume: Resume, agreement: Agreement },
    /// What the peer told is taken over.
    Resumed { conn: ConnId, on_disk: OnDisk },
    /// A text of a peer is shown.
    Show { conn: ConnId, peer: Fingerprint, number: PairNumber, sent: UnixMs, text: Vec<u8> },
    /// A text that was kept by an earlier process is shown.
    ShowEarlier { peer: Fingerprint, number: PairNumber, sent: UnixMs, text: Vec<u8>, exposure: Exposure },
    /// A message that was taken back, or that we have already, is acknowledged.
    Keep { conn: ConnId, number: PairNumber },
    /// Texts of ours are taken back, at the wish of a face.
    TakenBack { face: FaceId, peer: Fingerprint, withdrawals: Vec<(u64, Withdrawal)> },
    /// Texts of ours are taken back, since their time has passed.
    Expired { peer: Fingerprint, withdrawals: Vec<(u64, Withdrawal)> },
    /// Messages are given to who is there.
    Give(Vec<HeldMessage>),
    /// Texts of ours that were taken back are marked in the session's history too.
    Marked(Vec<HistoryEntry>),
    /// Texts that a face has said are taken back, though not at its wish.
    Lost { face: FaceId, peer: Fingerprint, numbers: Vec<u64>, reason: WithdrawalReason },
    /// It is known what became of texts that were taken back.
    Settled(Vec<SettledWithdrawal>),
    /// A message that is kept for the history only is there.
    Remembered,
    /// A transfer of files is kept as it is: it goes on.
    Transfer(TransferStep),
    /// A text to all is accepted.
    ToAll(TextToAll),
    /// What belongs to letters.
    Letter(LetterStep),
}

/// Why a text is taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WithdrawalReason {
    /// A user asked for it.
    Asked,
    /// Its time has passed.
    Expired,
}

/// Text of ours to several peers, for some of whom it is kept.
pub(crate) struct TextToAll {
    pub(crate) face: FaceId,
    /// The message, with all who get it; none, if nobody does.
    pub(crate) message: Option<Message>,
    /// Those of them for whom it is not kept: it is sent already.
    pub(crate) at_once: Vec<String>,
    /// Who does not get it.
    pub(crate) warning: Option<Warning>,
}

impl TextToAll {
    /// The same if nothing could be kept.
    pub(crate) fn without_kept(self) -> Self {
        let to = self.at_once.clone();
        let message = self.message.filter(|_| !to.is_empty()).map(|message| Message { to, ..message });
        Self { message, ..self }
    }
}

/// What is on disk of a pair once a `Resume` of the peer is taken over: nothing that came since is
/// told to the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnDisk {
    /// Answer to the peer, where one is due.
    pub(crate) answer: Option<Resume>,
    /// Highest number of ours.
    pub(crate) outbound: u64,
    /// The peer's direction.
    pub(crate) inbound: Option<Inbound>,
}

/// Store that cannot be opened, for which a full disk is enough: it is tried again.
pub(crate) struct UnopenedStore {
    /// What happened, and what to do.
    pub(crate) why: String,
    pub(crate) retry_at: MonoMs,
}

/// Whether the peer means our latest count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Agreement {
    Agreed,
    Pending,
}

/// State with a peer about the messages that are kept, on one connection.
#[derive(Default, Debug)]
pub(crate) struct PairLink {
    /// Whether messages of ours can go out with numbers of the pair.
    pub(crate) stage: PairStage,
    /// Highest number of ours that went out here.
    pub(crate) sent: u64,
    /// Highest number of ours that was there before the connection: those waited for it.
    pub(crate) waited: u64,
    /// The peer's count.
    pub(crate) theirs: Option<Epoch>,
    /// Our count as the peer has last told it.
    pub(crate) named: Option<Epoch>,
    /// Our count as we have last told it.
    pub(crate) told: Option<Epoch>,
    /// How many counts we have told.
    pub(crate) counts_told: u32,
    /// Messages that went out to a program that keeps nothing: the number on the connection, and
    /// that of the pair.
    pub(crate) on_connection: VecDeque<(u64, u64)>,
}

impl PairLink {
    /// Takes note that the peer was told this count of ours.
    pub(crate) fn tell(&mut self, epoch: Epoch) {
        if self.told.replace(epoch) != Some(epoch) {
            self.counts_told += 1;
        }
    }

    /// Whether the peer has told what it has, or that it keeps nothing: what has not gone out since
    /// is not at the peer's.
    pub(crate) fn has_heard(&self) -> bool {
        self.stage.is_sending() || self.stage == PairStage::Resuming && self.theirs.is_some()
    }

    /// Whether the peer, which has told what it has, means the count that we told last.
    pub(crate) fn is_agreed(&self) -> bool {
        self.theirs.is_some() && (self.counts_told == 1 || self.named == self.told)
    }
}

/// Stage of an agreement.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum PairStage {
    /// We have told the peer nothing.
    #[default]
    Silent,
    /// We have, and wait for what it says.
    Resuming,
    /// Both know what the other has.
    Ready,
    /// The peer keeps nothing for us.
    Declined,
}

impl PairStage {
    /// Whether messages of ours go out.
    pub(crate) fn is_sending(self) -> bool {
        matches!(self, Self::Ready | Self::Declined)
    }
}

impl KeptMessages {
    pub(crate) fn new(pairs: Pairs, stored_history: StoredHistory, seed: Seed) -> Self {
        Self {
            ledger: Ledger::new(pairs, seed),
            commits: VecDeque::new(),
            next: Vec::new(),
            timing: CommitTiming::default(),
            failing: 0,
            retry_at: None,
            unsure: Vec::new(),
            expire_at: None,
            stored_history,
            history: Vec::new(),
            queries: VecDeque::new(),
            forget_at: None,
            without_room: BTreeSet::new(),
            told_to_choose: BTreeSet::new(),
            told_not_chosen: BTreeSet::new(),
            told: BTreeSet::new(),
            expired: BTreeSet::new(),
        }
    }

    /// How often texts of a face, what it takes back or looks for in the history wait for the disk.
    pub(crate) fn accepting(&self, face: FaceId) -> usize {
        let queries = self.queries.iter().filter(|query| query.face == face);
        let commits = self.commits.iter().filter(|steps| accepted(steps).any(|of| of == face));
        queries.count() + commits.count()
    }

    /// The faces of which the oldest commit has one.
    pub(crate) fn accepting_next(&self) -> BTreeSet<FaceId> {
        self.commits.front().into_iter().flat_map(|steps| accepted(steps)).collect()
    }

    /// Whether the store could not be read, and is looked at again later.
    pub(crate) fn is_unusable(&self) -> bool {
        self.retry_at.is_some()
    }

    /// Whether nothing waits for the disk. What is only to be written is, as the store is closed.
    pub(crate) fn is_settled(&self) -> bool {
        self.commits.iter().all(Vec::is_empty)
            && self.next.is_empty()
            && self.history.is_empty()
            && self.queries.is_empty()
    }
}

fn accepted(steps: &[AfterCommit]) -> impl Iterator<Item = FaceId> {
    steps.iter().filter_map(|step| match step {
        AfterCommit::Accept { face, .. } | AfterCommit::TakenBack { face, .. } => Some(*face),
        _ => None,
    })
}
