//! Order, limits and stopping, with threads that are as fast or slow as it comes.

use super::super::parts::Ask;
use super::*;
use ml_common::Class;

fn jobs(parts: &[u64]) -> Vec<Job> {
    parts.iter().enumerate().map(|(entry, &parts)| Job { entry, ask: Ask::Objects(None), parts }).collect()
}

#[test]
fn parts_are_given_out_in_the_order_of_writing() {
    let jobs = jobs(&[1, 3, 1]);
    let cancel = Cancel::default();
    let flow = Flow::new(&jobs, 1, &cancel);
    let given: Vec<(u64, usize, u64)> = std::iter::from_fn(|| flow.part()).map(|part| (part.number, part.job, part.part)).collect();
    assert_eq!(given, [(0, 0, 0), (1, 1, 0), (2, 1, 1), (3, 1, 2), (4, 2, 0)]);
}

#[test]
fn what_comes_before_its_turn_waits_within_the_limit() {
    let jobs = jobs(&[40]);
    let cancel = Cancel::default();
    let flow = Flow::new(&jobs, 2, &cancel);
    let (head, other) = (flow.part().unwrap().number, flow.part().unwrap().number);
    let admitted = LIMIT / SEGMENT;
    for _ in 0..admitted {
        assert!(flow.admit(other).is_some());
    }
    // Nothing is free, but the part whose turn it is goes on, by its reserve.
    for _ in 0..flow.reserve {
        assert!(flow.admit(head).is_some());
    }
    assert_eq!(flow.state().used, (admitted + flow.reserve) * SEGMENT);
    flow.copied(Raw { place: (head, 0), text: vec![b'x'; 10] });
    let raw = flow.raw().unwrap();
    flow.compressed(raw, Packed { bytes: vec![0; 3], ..Packed::default() });
    assert!(matches!(flow.next((head, 0)), Some(Next::Piece(packed)) if packed.bytes.len() == 3));
    flow.written(head, 3);
    assert_eq!(flow.state().used, (admitted + flow.reserve - 1) * SEGMENT);
    assert!(flow.admit(head).is_some());
}

#[test]
fn a_thousand_pieces_come_out_in_order() {
    let (parts, pieces) = (100u64, 10u32);
    let jobs = jobs(&[parts]);
    let cancel = Cancel::default();
    let flow = Flow::new(&jobs, 4, &cancel);
    let mut written = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(part) = flow.part() {
                    for piece in 0..pieces {
                        let mut text = flow.admit(part.number).unwrap();
                        text.extend(format!("{}.{piece}", part.number).into_bytes());
                        flow.copied(Raw { place: (part.number, piece), text });
                    }
                    flow.ended(part.number, pieces);
                }
                flow.left();
            });
            scope.spawn(|| {
                while let Some(raw) = flow.raw() {
                    let bytes = raw.text.clone();
                    flow.compressed(raw, Packed { bytes, ..Packed::default() });
                }
            });
        }
        for part in 0..parts {
            let mut number = 0;
            while let Some(Next::Piece(packed)) = flow.next((part, number)) {
                written.push(String::from_utf8(packed.bytes.clone()).unwrap());
                flow.written(part, packed.bytes.len());
                number += 1;
            }
            flow.advance();
        }
    });
    let expected: Vec<String> = (0..parts).flat_map(|part| (0..pieces).map(move |piece| format!("{part}.{piece}"))).collect();
    assert_eq!(written, expected);
    let state = flow.state();
    assert_eq!((state.used, state.pieces.len(), state.ends.len()), (0, 0, 0));
}

#[test]
fn the_first_failure_stops_all_that_wait() {
    let jobs = jobs(&[2]);
    let cancel = Cancel::default();
    let flow = Flow::new(&jobs, 1, &cancel);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| flow.next((0, 0)).is_none());
        let idle = scope.spawn(|| flow.raw().is_none());
        flow.stop(Failure::new(Class::Database, "first"));
        flow.stop(Failure::new(Class::Database, "second"));
        assert!(waiting.join().unwrap() && idle.join().unwrap());
    });
    assert!(flow.part().is_none() && flow.admit(0).is_none());
    assert_eq!(flow.outcome().unwrap_err().message, "first");
}
