//! A proof as its distinct sub-proofs: what the ledger stores as parents, and what stays small where D-notation doubles.

use crate::dproof::{DProof, MAX_AXIOMS, axiom_letter, axiom_number};
use crate::error::{Error, Result};
use std::collections::HashMap;

/// One line of a proof; premises are the indices of earlier lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// An axiom, counted from 1.
    Axiom(u8),
    /// Condensed detachment.
    Detach {
        /// The line of the implication.
        major: u32,
        /// The line of the antecedent.
        minor: u32,
    },
    /// Necessitation of a line.
    Necessitate(u32),
}

/// A proof in lines, each after its premises; the last line is what is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dag(Vec<Step>);

impl Dag {
    /// A proof from its lines, which may repeat; fails unless each premise is an earlier line and each axiom has a letter.
    pub fn from_steps(steps: Vec<Step>) -> Result<Dag> {
        if steps.is_empty() {
            return Err(Error::Malformed("a proof without lines".into()));
        }
        for (line, step) in steps.iter().enumerate() {
            let right = match *step {
                Step::Axiom(number) => (1..=MAX_AXIOMS).contains(&(number as usize)),
                Step::Detach { major, minor } => (major.max(minor) as usize) < line,
                Step::Necessitate(premise) => (premise as usize) < line,
            };
            if !right {
                return Err(Error::Malformed(format!("line {line} of the proof refers to no axiom or earlier line")));
            }
        }
        Ok(Dag(steps))
    }

    /// The lines of a D-proof, each distinct sub-proof once, in the order in which they are complete from left to right.
    pub(crate) fn of(proof: &DProof) -> Dag {
        enum Open {
            Detach(Option<u32>),
            Necessitate,
        }
        let mut known: HashMap<Step, u32> = HashMap::new();
        let mut steps: Vec<Step> = Vec::new();
        let mut open: Vec<Open> = Vec::new();
        let mut line = |step: Step| {
            *known.entry(step).or_insert_with(|| {
                steps.push(step);
                steps.len() as u32 - 1
            })
        };
        for letter in proof.as_str().bytes() {
            let mut done = match letter {
                b'D' => {
                    open.push(Open::Detach(None));
                    continue;
                }
                b'N' => {
                    open.push(Open::Necessitate);
                    continue;
                }
                axiom => line(Step::Axiom(axiom_number(axiom).unwrap_or_default() as u8)),
            };
            loop {
                match open.pop() {
                    Some(Open::Detach(None)) => {
                        open.push(Open::Detach(Some(done)));
                        break;
                    }
                    Some(Open::Detach(Some(major))) => done = line(Step::Detach { major, minor: done }),
                    Some(Open::Necessitate) => done = line(Step::Necessitate(done)),
                    None => break,
                }
            }
        }
        Dag(steps)
    }

    /// The lines; the last one is what is proved.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The length in D-notation of each line; [`u64::MAX`] stands for that and more.
    pub fn lengths(&self) -> Vec<u64> {
        self.fold(|step, of| match step {
            Step::Axiom(_) => 1,
            Step::Detach { major, minor } => of(major).saturating_add(of(minor)).saturating_add(1),
            Step::Necessitate(premise) => of(premise).saturating_add(1),
        })
    }

    /// The height of each line: 0 for an axiom, else one more than its highest premise (the ledger's derivation_depth).
    pub fn heights(&self) -> Vec<u64> {
        self.fold(|step, of| match step {
            Step::Axiom(_) => 0,
            Step::Detach { major, minor } => of(major).max(of(minor)) + 1,
            Step::Necessitate(premise) => of(premise) + 1,
        })
    }

    fn fold(&self, value: impl Fn(Step, &dyn Fn(u32) -> u64) -> u64) -> Vec<u64> {
        let mut values: Vec<u64> = Vec::with_capacity(self.0.len());
        for &step in &self.0 {
            let next = value(step, &|line| values[line as usize]);
            values.push(next);
        }
        values
    }

    /// The proof in D-notation; fails where that is longer than `max_length` symbols.
    pub fn render(&self, max_length: usize) -> Result<DProof> {
        let length = self.lengths().last().copied().unwrap_or_default();
        if length > max_length as u64 {
            return Err(Error::Limit { what: "symbols of a proof", limit: max_length });
        }
        let mut text = String::with_capacity(length as usize);
        let mut todo = vec![self.0.len() as u32 - 1];
        while let Some(line) = todo.pop() {
            match self.0[line as usize] {
                Step::Axiom(number) => text.extend(axiom_letter(number as usize)),
                Step::Detach { major, minor } => {
                    text.push('D');
                    todo.extend([minor, major]);
                }
                Step::Necessitate(premise) => {
                    text.push('N');
                    todo.push(premise);
                }
            }
        }
        Ok(DProof::trusted(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sub_proofs_are_one_line() {
        let proof: DProof = "DD2D11ND11".parse().unwrap();
        let dag = proof.dag();
        let expected = [
            Step::Axiom(2),
            Step::Axiom(1),
            Step::Detach { major: 1, minor: 1 },
            Step::Detach { major: 0, minor: 2 },
            Step::Necessitate(2),
            Step::Detach { major: 3, minor: 4 },
        ];
        assert_eq!(dag.steps(), expected);
        assert_eq!(dag.lengths(), [1, 1, 3, 5, 4, 10]);
        assert_eq!(dag.heights(), [0, 0, 1, 2, 2, 3]);
        assert_eq!(dag.render(10).unwrap(), proof);
        assert_eq!(dag.render(9).unwrap_err().to_string(), "more than 9 symbols of a proof");
        assert_eq!(Dag::from_steps(expected.to_vec()).unwrap(), dag);
    }

    #[test]
    fn a_doubling_proof_is_measured_but_not_written() {
        let mut steps = vec![Step::Axiom(1)];
        steps.extend((0..500).map(|line| Step::Detach { major: line, minor: line }));
        let dag = Dag::from_steps(steps).unwrap();
        assert_eq!(dag.lengths()[40], (1 << 41) - 1);
        assert_eq!(dag.lengths()[500], u64::MAX);
        assert!(dag.render(1 << 20).is_err());
    }

    #[test]
    fn lines_refer_to_earlier_lines() {
        for steps in [
            vec![],
            vec![Step::Axiom(0)],
            vec![Step::Axiom(36)],
            vec![Step::Necessitate(0)],
            vec![Step::Axiom(1), Step::Detach { major: 0, minor: 1 }],
        ] {
            assert!(matches!(Dag::from_steps(steps), Err(Error::Malformed(_))));
        }
    }
}
