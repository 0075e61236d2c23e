//! Files of transfers, between a process and its broker. That opens and names them. It lends those
//! of transfers of one file; the contents of others follow the JSON of a frame as they are.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::request::Request;
use super::{Broker, Call, frame};
use crate::app::file_disk::{FileDisk, LentSource, Places};
use crate::chat::{FileAnswer, FileRequest, TransferNumber};
use crate::delivery::Hashed;
use crate::limits::FILES_LENT;
use crate::wire::TransferRecord;

#[derive(Serialize, Deserialize)]
enum RequestHead<'a> {
    /// [`FileRequest::Write`], of records that follow, which have so many bytes each.
    Write {
        number: TransferNumber,
        lengths: Vec<usize>,
    },
    /// [`FileRequest::File`], of one that was lent and is written.
    Written {
        number: TransferNumber,
    },
    Other(Cow<'a, FileRequest>),
}

#[derive(Serialize, Deserialize)]
enum AnswerHead {
    /// [`FileAnswer::Read`], of records that follow, which have so many bytes each.
    Read { number: TransferNumber, reading: u32, lengths: Vec<usize>, hashed: Option<Hashed> },
    /// None, to [`FileRequest::OpenSource`]; the file is lent.
    Source(LentSource),
    /// A descriptor beside it is the part of a target, which is lent.
    Other(Option<FileAnswer>),
}

/// Files of transfers, at the broker.
pub(crate) struct BrokerFiles {
    call: Call,
    /// Those that it has lent.
    lent: FileDisk,
}

/// What the broker lends with an answer.
enum Loan {
    None,
    Source(LentSource, File),
    Target(File),
}

impl Broker {
    /// Begins to read and write files of transfers; those without a place go to a folder.
    pub(crate) fn files(&'static self, inbox: Option<PathBuf>) -> Result<BrokerFiles, String> {
        let call = self.call(&Request::Files { inbox }, &[])?;
        call.answer().map(|((), _)| BrokerFiles::new(call))
    }
}

impl BrokerFiles {
    fn new(call: Call) -> Self {
        Self { call, lent: FileDisk::at(Places::Machine { inbox: None }) }
    }

    /// Does what is asked: the answer, if it has one, and what follows from the end of the broker,
    /// if that has ended.
    pub(crate) fn perform(&mut self, request: FileRequest) -> (Option<FileAnswer>, Option<String>) {
        match request {
            FileRequest::ReadSource { number, .. } if self.lent.has_source(number) => {
                return (self.lent.perform(request), None);
            }
            FileRequest::Write { number, .. } | FileRequest::OpenTarget { number, .. }
                if self.lent.has_target(number) =>
            {
                return (self.lent.perform(request), None);
            }
            FileRequest::File { number } if self.lent.has_target(number) => return self.name_lent(number),
            FileRequest::CloseSource { number } => {
                self.lent.perform(FileRequest::CloseSource { number });
            }
            FileRequest::CloseTarget { number } | FileRequest::Discard { number, .. } => {
                self.lent.perform(FileRequest::CloseTarget { number });
            }
            _ => {}
        }
        let socket = &self.call.socket;
        let sent = send_request(socket, &request);
        match sent.and_then(|()| receive_answer(socket)) {
            Ok((answer, loan)) => {
                self.borrow(request, answer.as_ref(), loan);
                (answer, None)
            }
            Err(_) => self.gone(request),
        }
    }

    /// Has a target named that was written here.
    fn name_lent(&mut self, number: TransferNumber) -> (Option<FileAnswer>, Option<String>) {
        if let Err(why) = self.lent.give_back_target(number) {
            return (Some(FileAnswer::Filed { number, filed: Err(why) }), None);
        }
        let socket = &self.call.socket;
        let sent = frame::send(socket, &RequestHead::Written { number }, &[], &[]);
        match sent.and_then(|()| receive_answer(socket)) {
            Ok((answer, _)) => (answer, None),
            Err(_) => self.gone(FileRequest::File { number }),
        }
    }

    fn gone(&self, request: FileRequest) -> (Option<FileAnswer>, Option<String>) {
        let why = self.call.broker.gone();
        (request.refused(&why), Some(why))
    }

    /// Takes what the broker lends, as far as there are descriptors for it.
    fn borrow(&mut self, request: FileRequest, answer: Option<&FileAnswer>, loan: Loan) {
        let has_room = self.lent.count() < FILES_LENT;
        match (request, answer, loan) {
            (FileRequest::OpenSource { number, reading, at }, _, Loan::Source(source, file))
                if has_room || self.lent.has_source(number) =>
            {
                self.lent.borrow_source(number, source, file);
                self.lent.perform(FileRequest::OpenSource { number, reading, at });
            }
            // Why it cannot be opened, the broker says when it is read.
            (FileRequest::OpenSource { number, .. }, _, _) => {
                self.lent.perform(FileRequest::CloseSource { number });
            }
            (
                FileRequest::OpenTarget { number, offer, .. },
                Some(FileAnswer::Opened { opened: Ok((at, part)), .. }),
                Loan::Target(file),
            ) if has_room => self.lent.borrow_target(number, &offer, *at, part, file),
            _ => {}
        }
    }
}

/// Carries out the next request.
pub(super) fn serve_request(socket: &UnixStream, disk: &mut FileDisk) -> io::Result<()> {
    let request = receive_request(socket, disk)?;
    match request {
        FileRequest::OpenSource { number, .. } => {
            let answer = disk.perform(request);
            match disk.lend_source(number) {
                Some((source, file)) => {
                    frame::send(socket, &AnswerHead::Source(source), &[], &[file.as_fd()])
                }
                None => send_answer(socket, answer),
            }
        }
        FileRequest::OpenTarget { number, .. } => {
            let answer = disk.perform(request);
            let file = disk.lend_target(number);
            let lent: Vec<_> = file.iter().map(File::as_fd).collect();
            frame::send(socket, &AnswerHead::Other(answer), &[], &lent)
        }
        request => send_answer(socket, disk.perform(request)),
    }
}

fn send_request(socket: &UnixStream, request: &FileRequest) -> io::Result<()> {
    match request {
        FileRequest::Write { number, records } => {
            let (lengths, content) = joined(records);
            frame::send(socket, &RequestHead::Write { number: *number, lengths }, &content, &[])
        }
        other => frame::send(socket, &RequestHead::Other(Cow::Borrowed(other)), &[], &[]),
    }
}

fn receive_request(socket: &UnixStream, disk: &mut FileDisk) -> io::Result<FileRequest> {
    let (head, content, _) = frame::receive(socket)?;
    Ok(match head {
        RequestHead::Write { number, lengths } => {
            FileRequest::Write { number, records: parted(lengths, &content)? }
        }
        RequestHead::Written { number } => {
            disk.return_target(number);
            FileRequest::File { number }
        }
        RequestHead::Other(request) => request.into_owned(),
    })
}

fn send_answer(socket: &UnixStream, answer: Option<FileAnswer>) -> io::Result<()> {
    match answer {
        Some(FileAnswer::Read { number, reading, read: Ok(records), hashed }) => {
            let (lengths, content) = joined(&records);
            frame::send(socket, &AnswerHead::Read { number, reading, lengths, hashed }, &content, &[])
        }
        other => frame::send(socket, &AnswerHead::Other(other), &[], &[]),
    }
}

fn receive_answer(socket: &UnixStream) -> io::Result<(Option<FileAnswer>, Loan)> {
    let (head, content, descriptors) = frame::receive(socket)?;
    let file = descriptors.into_iter().next().map(File::from);
    Ok(match head {
        AnswerHead::Read { number, reading, lengths, hashed } => {
            let read = Ok(parted(lengths, &content)?);
            (Some(FileAnswer::Read { number, reading, read, hashed }), Loan::None)
        }
        AnswerHead::Source(source) => (None, file.map_or(Loan::None, |file| Loan::Source(source, file))),
        AnswerHead::Other(answer) => (answer, file.map_or(Loan::None, Loan::Target)),
    })
}

/// The bytes of records behind each other, and how many each has.
fn joined(records: &[TransferRecord]) -> (Vec<usize>, Vec<u8>) {
    let (mut lengths, mut content) = (Vec::new(), Vec::new());
    for record in records {
        let bytes = record.to_bytes();
        lengths.push(bytes.len());
        content.extend(bytes);
    }
    (lengths, content)
}

fn parted(lengths: Vec<usize>, mut content: &[u8]) -> io::Result<Vec<TransferRecord>> {
    let records = lengths.into_iter().map(|length| {
        let (now, later) = content.split_at_checked(length)?;
        content = later;
        TransferRecord::from_bytes(now)
    });
    records.collect::<Option<_>>().ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use tempfile::TempDir;

    use super::super::Purpose;
    use super::*;
    use crate::chat::TargetError;
    use crate::crypto::Fingerprint;
    use crate::delivery::{PartRow, Room};
    use crate::ids::FaceId;
    use crate::wire::{Offer, Position};

    const BYTES: usize = 3 * 1024 * 1024 + 77;

    /// Both ends of a broker that serves in a thread.
    fn broker() -> BrokerFiles {
        let (socket, its_end) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut disk = FileDisk::at(Places::Machine { inbox: None });
            while serve_request(&its_end, &mut disk).is_ok() {}
        });
        let control = UnixStream::pair().unwrap().0;
        let (process, ended, is_end_told) = (Mutex::new(None), AtomicBool::default(), AtomicBool::default());
        let broker = Broker { purpose: Purpose::Prompt(Vec::new()), control, process, ended, is_end_told };
        BrokerFiles::new(Call { broker: Box::leak(Box::new(broker)), socket })
    }

    fn answer(files: &mut BrokerFiles, request: FileRequest) -> FileAnswer {
        files.perform(request).0.unwrap()
    }

    fn offered(files: &mut BrokerFiles, number: TransferNumber, path: &Path) -> Offer {
        let (path, peer, name) = (path.to_str().unwrap().to_owned(), Fingerprint::of(b"bob"), None);
        let request = FileRequest::Examine { number, face: FaceId::OWN, peer, path, name };
        let FileAnswer::Examined { source: Ok(source), .. } = answer(files, request) else { panic!() };
        source.offer
    }

    fn read(files: &mut BrokerFiles, number: TransferNumber) -> Result<Vec<TransferRecord>, String> {
        let request = FileRequest::ReadSource { number, reading: 1 };
        let FileAnswer::Read { read, .. } = answer(files, request) else { panic!() };
        read
    }

    fn open_source(files: &mut BrokerFiles, number: TransferNumber, at: Position) {
        let opened = files.perform(FileRequest::OpenSource { number, reading: 1, at });
        assert_eq!(opened, (None, None));
    }

    fn open_target(
        files: &mut BrokerFiles,
        number: TransferNumber,
        offer: &Offer,
        place: &Path,
        part: Option<PartRow>,
    ) -> (Position, PartRow) {
        let place = part.is_none().then(|| place.to_str().unwrap().to_owned());
        let request =
            FileRequest::OpenTarget { number, offer: offer.clone(), place, room: Room::Reserve, part };
        let FileAnswer::Opened { opened, .. } = answer(files, request) else { panic!() };
        opened.unwrap()
    }

    fn write(files: &mut BrokerFiles, number: TransferNumber, record: TransferRecord) {
        let FileAnswer::Written { written, .. } =
            answer(files, FileRequest::Write { number, records: vec![record] })
        else {
            panic!()
        };
        written.unwrap();
    }

    fn file(files: &mut BrokerFiles, number: TransferNumber) -> Result<String, TargetError> {
        let FileAnswer::Filed { filed, .. } = answer(files, FileRequest::File { number }) else { panic!() };
        filed
    }

    /// Writes all that is left of a source into a target, which gets its name.
    fn pass(
        files: &mut BrokerFiles,
        from: TransferNumber,
        to: TransferNumber,
    ) -> Result<String, TargetError> {
        let mut is_whole = false;
        while !is_whole {
            for record in read(files, from).unwrap() {
                is_whole |= matches!(record, TransferRecord::EndOfFile { .. });
                write(files, to, record);
            }
        }
        file(files, to)
    }

    fn folder_with_source() -> (TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..BYTES).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect();
        fs::write(folder.path().join("notes.bin"), &bytes).unwrap();
        fs::create_dir(folder.path().join("to")).unwrap();
        (folder, bytes)
    }

    #[test]
    fn the_bytes_of_lent_files_do_not_pass_through_the_broker_and_those_of_further_ones_do() {
        let (folder, bytes) = folder_with_source();
        let mut files = broker();
        for number in 1..=3 {
            let most = u32::try_from(FILES_LENT).unwrap();
            let (from, to) = (number, number + most);
            let offer = offered(&mut files, from, &folder.path().join("notes.bin"));
            let (at, _) = open_target(&mut files, to, &offer, &folder.path().join("to"), None);
            open_source(&mut files, from, at);
            assert_eq!((files.lent.has_source(from), files.lent.has_target(to)), (true, true));
            let path = pass(&mut files, from, to).unwrap();
            assert!(fs::read(path).unwrap() == bytes);
            assert!(!files.lent.has_target(to), "it is the broker's again");
            if number == 1 {
                files.perform(FileRequest::CloseSource { number });
                assert_eq!(files.lent.count(), 0);
            }
        }
        // Descriptors are few: what is opened behind these goes through the broker, and arrives.
        for number in 100..=100 + u32::try_from(FILES_LENT).unwrap() {
            offered(&mut files, number, &folder.path().join("notes.bin"));
            open_source(&mut files, number, Position::START);
        }
        assert_eq!(files.lent.count(), FILES_LENT);
        let last = 100 + u32::try_from(FILES_LENT).unwrap();
        assert!(!files.lent.has_source(last));
        let TransferRecord::Chunk { bytes: first, .. } = &read(&mut files, last).unwrap()[0] else {
            panic!()
        };
        assert!(bytes.starts_with(first));
    }

    #[test]
    fn a_lent_part_goes_on_where_it_was_and_a_source_that_has_changed_is_refused() {
        let (folder, bytes) = folder_with_source();
        let (source, to) = (folder.path().join("notes.bin"), folder.path().join("to"));
        let mut files = broker();
        let offer = offered(&mut files, 1, &source);
        let (at, mut row) = open_target(&mut files, 2, &offer, &to, None);
        open_source(&mut files, 1, at);
        for record in read(&mut files, 1).unwrap() {
            write(&mut files, 2, record);
        }
        // Asked for again on the next connection, it is where it was.
        let (at, _) = open_target(&mut files, 2, &offer, &to, None);
        assert!(at.offset > 0);
        files.perform(FileRequest::CloseTarget { number: 2 });
        row.synced.at = at;
        let (again, _) = open_target(&mut files, 3, &offer, &to, Some(row));
        assert_eq!(again, at);
        open_source(&mut files, 1, at);
        let path = pass(&mut files, 1, 3).unwrap();
        assert!(fs::read(path).unwrap() == bytes);

        let (at, _) = open_target(&mut files, 4, &offer, &to, None);
        open_source(&mut files, 1, at);
        for record in read(&mut files, 1).unwrap() {
            write(&mut files, 4, record);
        }
        assert!(file(&mut files, 4).is_err(), "it is not whole");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2, "one file, and one part");

        fs::write(&source, "something else").unwrap();
        open_source(&mut files, 1, Position::START);
        let why = read(&mut files, 1).unwrap_err();
        assert!(why.contains("changed since it was offered"), "{why}");
        fs::remove_file(&source).unwrap();
        open_source(&mut files, 1, Position::START);
        let why = read(&mut files, 1).unwrap_err();
        assert!(why.contains("changed since it was offered"), "{why}");
    }
}
