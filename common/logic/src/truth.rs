//! Truth tables, and their like for S5: an oracle for derived statements that knows nothing of proofs.
//!
//! One table serves both. A model is k worlds that all see each other, with a truth value for each of n variables at each world:
//! 2^(k n) models, tested 256 at a time, one bit a model. `[]A` is true where A is true at every world. Without boxes one world
//! suffices: the truth table. With m boxes m + 1 worlds do (one where the formula is false and for each box that is false there a
//! witness; what all see is the same everywhere), and never more than 2^n, for worlds with equal values are one.

use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym};

/// What the test found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// True in every model: a tautology, or a theorem of S5.
    Valid,
    /// False in this model. `model[w][v]` is the value of variable v (numbered by first occurrence) at world w; the
    /// formula is false at world 0.
    Refuted(Vec<Vec<bool>>),
    /// True in all models of up to this many worlds; whether in those of more was beyond `max_work`.
    NotRefuted {
        /// How many worlds were within reach.
        worlds: usize,
    },
}

/// 64-bit words that are worked on at once.
const LANES: usize = 4;
/// Models of one such block, as a power of two.
const BLOCK_BITS: usize = 8;

/// Whether a formula without boxes is a classical tautology. Fails on a box, and on more variables than `max_work` has room for
/// (2^variables / 64 times the size).
pub fn tautology(formula: &Formula, limits: &Limits) -> Result<bool> {
    if formula.contains(Sym::BOX) {
        return Err(Error::Malformed("a truth table cannot say what a box means".into()));
    }
    Ok(validity(formula, limits)? == Validity::Valid)
}

/// Decides whether a formula is valid: a tautology, or with boxes a theorem of S5. Where not even models of one world are
/// within `max_work` this is [`Error::Limit`].
pub fn validity(formula: &Formula, limits: &Limits) -> Result<Validity> {
    let formula = formula.canonical();
    let variables = formula.variables() as usize;
    let boxes = formula.symbols().iter().filter(|&&sym| sym == Sym::BOX).count();
    let distinct = 1usize.checked_shl(variables as u32).unwrap_or(usize::MAX);
    let enough = (boxes + 1).min(distinct);
    let stacked = stack_height(&formula);
    // Words of work, and words of memory: an eighth of that.
    let affordable = |worlds: usize| {
        let bits = worlds.checked_mul(variables)?.saturating_sub(BLOCK_BITS);
        let blocks = 1usize.checked_shl(u32::try_from(bits).ok()?)?;
        let words = worlds.checked_mul(LANES)?;
        let work = formula.size().checked_mul(words)?.checked_mul(blocks)?;
        let memory = stacked.checked_mul(words)?;
        (work <= limits.max_work && memory <= limits.max_work / 8).then_some(())
    };
    // At most 64 worlds are ever affordable: their bits must fit a word.
    let Some(worlds) = (1..=enough.min(64)).rev().find(|&worlds| affordable(worlds).is_some()) else {
        return Err(Error::Limit { what: "steps of one truth test", limit: limits.max_work });
    };
    let table = Table { worlds, variables };
    if let Some(model) = table.refutation(&formula) {
        return Ok(Validity::Refuted(model));
    }
    Ok(match worlds == enough {
        true => Validity::Valid,
        false => Validity::NotRefuted { worlds },
    })
}

/// How many values evaluation keeps at once, at most.
fn stack_height(formula: &Formula) -> usize {
    let (mut height, mut highest) = (0, 0);
    for sym in formula.symbols().iter().rev() {
        height = height + 1 - sym.arity();
        highest = highest.max(height);
    }
    highest
}

/// The models of so many worlds over so many variables. Bit `w * variables + v` of a model's number is variable v at world w.
struct Table {
    worlds: usize,
    variables: usize,
}

impl Table {
    /// The first model that makes the formula false at world 0.
    fn refutation(&self, formula: &Formula) -> Option<Vec<Vec<bool>>> {
        let bits = self.worlds * self.variables;
        let mut stack = Vec::new();
        for block in 0..1usize << bits.saturating_sub(BLOCK_BITS) {
            self.evaluate(formula, block, &mut stack);
            for (lane, word) in stack[..LANES].iter().enumerate() {
                if *word != u64::MAX {
                    let model = (block << BLOCK_BITS) | (lane << 6) | word.trailing_ones() as usize;
                    let bit = |w: usize, v: usize| model >> (w * self.variables + v) & 1 == 1;
                    let world = |w: usize| (0..self.variables).map(|v| bit(w, v)).collect();
                    return Some((0..self.worlds).map(world).collect());
                }
            }
        }
        None
    }

    /// Leaves on the stack the values of the formula in a block of models: for each world [`LANES`] words.
    fn evaluate(&self, formula: &Formula, block: usize, stack: &mut Vec<u64>) {
        let width = self.worlds * LANES;
        stack.clear();
        // From the right: the parts of a connective are complete when it comes, its first part on top.
        for sym in formula.symbols().iter().rev() {
            if let Some(var) = sym.variable() {
                for world in 0..self.worlds {
                    let bit = world * self.variables + var as usize;
                    stack.extend((0..LANES).map(|lane| word(bit, block, lane)));
                }
                continue;
            }
            let top = stack.len() - width;
            let (below, first) = stack.split_at_mut(top);
            match *sym {
                Sym::NOT => first.iter_mut().for_each(|word| *word = !*word),
                Sym::BOX => {
                    for lane in 0..LANES {
                        let everywhere = (0..self.worlds).fold(u64::MAX, |all, world| all & first[world * LANES + lane]);
                        (0..self.worlds).for_each(|world| first[world * LANES + lane] = everywhere);
                    }
                }
                binary => {
                    for (second, first) in below[top - width..].iter_mut().zip(first) {
                        *second = match binary {
                            Sym::AND => *first & *second,
                            Sym::OR => *first | *second,
                            _ => !*first | *second,
                        };
                    }
                    stack.truncate(top);
                }
            }
        }
    }
}

/// Bit `bit` of the numbers of the 64 models in a lane of a block.
fn word(bit: usize, block: usize, lane: usize) -> u64 {
    const PATTERNS: [u64; 6] = [
        0xaaaa_aaaa_aaaa_aaaa,
        0xcccc_cccc_cccc_cccc,
        0xf0f0_f0f0_f0f0_f0f0,
        0xff00_ff00_ff00_ff00,
        0xffff_0000_ffff_0000,
        0xffff_ffff_0000_0000,
    ];
    let set = match bit {
        0..6 => return PATTERNS[bit],
        6..BLOCK_BITS => lane >> (bit - 6) & 1 == 1,
        _ => block >> (bit - BLOCK_BITS) & 1 == 1,
    };
    if set { u64::MAX } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(text: &str) -> Validity {
        validity(&text.parse().unwrap(), &Limits::default()).unwrap()
    }

    #[test]
    fn classical() {
        for text in ["CpCqp", "CCCpqpp", "ApNp", "CKpqApq", "CNKpqANpNq", "p/\\q->r->p\\/~p"] {
            assert_eq!(test(text), Validity::Valid, "{text}");
        }
        assert_eq!(test("CCpqCqp"), Validity::Refuted(vec![vec![false, true]]));
        assert_eq!(test("CpKpq"), Validity::Refuted(vec![vec![true, false]]));
        assert_eq!(test("p"), Validity::Refuted(vec![vec![false]]));
    }

    #[test]
    fn s5() {
        for text in ["CLpp", "CLCpqCLpLq", "CNLNpLNLNp", "CLpLLp", "CpLNLNp", "CLALpqALpLq", "CLALpLqALpLq"] {
            assert_eq!(test(text), Validity::Valid, "{text}");
        }
        for text in ["CpLp", "CLApqALpLq", "CNLNpLp", "CLCpqLp"] {
            assert!(matches!(test(text), Validity::Refuted(_)), "{text}");
        }
        // True in every model of one world: only a second one refutes it.
        assert_eq!(test("CpLp"), Validity::Refuted(vec![vec![true], vec![false]]));
    }

    /// The only model that refutes it is one of the last of four blocks.
    #[test]
    fn models_are_found_in_any_block() {
        let formula: Formula = "CKpqCrCsCtCp1Cq1Cr1Cs1u1".parse().unwrap();
        let Ok(Validity::Refuted(model)) = validity(&formula, &Limits::default()) else {
            panic!("not refuted");
        };
        assert_eq!(model, [[vec![true; 9], vec![false]].concat()]);
    }

    #[test]
    fn too_many_variables_are_an_error() {
        let wide = |n: u32| {
            let vars: Vec<String> = (0..n).map(crate::names::name).collect();
            format!("{}->p", vars.join("->")).parse::<Formula>().unwrap()
        };
        let limits = Limits { max_work: 1 << 20, ..Limits::default() };
        assert_eq!(tautology(&wide(18), &limits), Ok(true));
        assert_eq!(tautology(&wide(30), &limits).unwrap_err().to_string(), "more than 1048576 steps of one truth test");
        assert!(tautology(&wide(5000), &limits).is_err());
        assert_eq!(tautology(&"[]p->p".parse().unwrap(), &limits).unwrap_err().to_string(), "a truth table cannot say what a box means");
        // Twenty boxes over four variables want 16 worlds; within these limits only fewer can be looked at.
        let boxes: Formula = format!("{}(p/\\q/\\r/\\s)->p", "[]".repeat(20)).parse().unwrap();
        assert_eq!(validity(&boxes, &limits), Ok(Validity::NotRefuted { worlds: 4 }));
    }
}
