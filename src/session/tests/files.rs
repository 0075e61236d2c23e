//! Files on a session: they go only where both sides have said that they take them.

use super::*;
use crate::wire::{TransferId, TransferRecord};

#[test]
fn files_go_where_both_sides_take_them_and_a_record_of_them_elsewhere_is_a_violation() {
    use FileTransfer::{Supported, Unsupported};
    let violation = Event::Closed(CloseReason::ProtocolViolation);
    let asked = TransferRecord::List { id: TransferId([7; 16]), first: 0 };
    for (file_transfer, purpose, can) in [
        ([Supported, Supported], Purpose::Chat, true),
        ([Supported, Unsupported], Purpose::Chat, false),
        ([Unsupported, Supported], Purpose::Chat, false),
        ([Supported, Supported], Purpose::Pipe, false),
    ] {
        for from in [0, 1] {
            let [mut one, mut other] = [(Role::Initiator, 0), (Role::Responder, 1)].map(|(role, index)| {
                let file_transfer = file_transfer[index];
                Side::configured(role, index, SessionConfig { purpose, file_transfer, ..Side::config(index) })
            });
            assert!(!one.session.can_transfer_files(), "nothing is agreed yet");
            carry(&mut one, &mut other, usize::MAX);
            let (from, to) = if from == 0 { (&mut one, &mut other) } else { (&mut other, &mut one) };
            assert_eq!([from.session.can_transfer_files(), to.session.can_transfer_files()], [can, can]);
            if can {
                from.session.send_transfer(asked.clone()).unwrap();
                from.drain();
                pass(from, to, usize::MAX);
                assert_eq!(to.events.last(), Some(&Event::Transfer(asked.clone())));
            } else if purpose == Purpose::Chat {
                assert_eq!(from.session.send_transfer(asked.clone()), Err(SendError::NoFiles));
                let record = sealed(&mut from.session, &Record::Transfer(asked.clone()));
                to.handle_bytes(&record);
                assert_eq!(to.events.last(), Some(&violation));
            }
        }
    }
}

#[test]
fn records_of_files_that_bring_nothing_new_are_bounded() {
    let (mut one, _) = established();
    for _ in 0..limits::IDLE_RECORDS {
        one.session.note_idle(MonoMs(0));
    }
    one.drain();
    assert!(one.session.is_established() && !one.session.is_ending());
    one.session.note_idle(MonoMs(0));
    one.session.handle_timeout(MonoMs(0));
    one.drain();
    assert!(
        one.session.is_ending() || one.events.last() == Some(&Event::Closed(CloseReason::ProtocolViolation))
    );
}
