//! Canonical names of variables: p, q, r, s, t, u, v, w, x, y, z, then p1, q1, ... z1, p2, ...

use std::fmt::Write;

/// The letters a canonical name begins with, in order.
const LETTERS: &[u8; 11] = b"pqrstuvwxyz";

/// The letter and the number behind it (0: none) of variable `index`.
pub fn split(index: u32) -> (char, u32) {
    let letter = LETTERS[(index % 11) as usize];
    (char::from(letter), index / 11)
}

/// Appends the canonical name of variable `index` (counted from 0).
pub fn push_name(out: &mut String, index: u32) {
    let (letter, number) = split(index);
    out.push(letter);
    if number > 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, "{number}");
    }
}

/// The canonical name of variable `index` (counted from 0).
pub fn name(index: u32) -> String {
    let mut out = String::new();
    push_name(&mut out, index);
    out
}

/// The variable that `name` is the canonical name of; `None` for any other atom (`a`, `p0`, `p01`, `pq`).
pub fn index(name: &str) -> Option<u32> {
    let (first, digits) = name.as_bytes().split_first()?;
    let letter = LETTERS.iter().position(|l| l == first)? as u32;
    let number = match digits {
        [] => 0,
        [b'1'..=b'9', ..] if digits.iter().all(u8::is_ascii_digit) => name[1..].parse::<u32>().ok()?,
        _ => return None,
    };
    number.checked_mul(11)?.checked_add(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_ledger() {
        let first: Vec<String> = (0..24).map(name).collect();
        assert_eq!(first.join(" "), "p q r s t u v w x y z p1 q1 r1 s1 t1 u1 v1 w1 x1 y1 z1 p2 q2");
    }

    #[test]
    fn names_and_indices_are_inverse() {
        for i in (0..5000).chain([u32::MAX - 1, u32::MAX]) {
            assert_eq!(index(&name(i)), Some(i));
        }
        for other in ["", "a", "p0", "p01", "P", "pq", "p1q", "p-1", "p99999999999", "é"] {
            assert_eq!(index(other), None, "{other}");
        }
    }
}
