//! Which terms are instances of others: a perfect discrimination tree over packed terms.
//!
//! The tree is built once from sorted terms and then only read. It lies in memory as it is searched, depth first: of each node
//! five bytes (where the next sibling begins, whether there is one, how long the label is), the label (whole symbols that all terms
//! below share), then its children. A search follows, for each symbol, the same symbol or a variable that takes the whole subterm; as
//! variables are numbered by first occurrence, a variable is either the next number or bound already. (McCune, Experiments with
//! discrimination-tree indexing and path indexing for term retrieval, Journal of Automated Reasoning 9, 1992.)

use super::Stop;
use super::packed::{WIDE, arity, variable, width};

/// Bytes before a label: the offset of the next sibling (its highest bit: there is none) and the label's length.
const HEAD: usize = 5;
const LAST: u32 = 1 << 31;
const LONGEST_LABEL: usize = u8::MAX as usize;

/// A read-only index of terms.
#[derive(Clone, Debug, Default)]
pub struct Instances {
    tree: Vec<u8>,
}

/// What a search needs, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// One past the subterm that begins at each byte of the term.
    end: Vec<u32>,
    starts: Vec<u32>,
    /// Where the subterm begins that each variable of the general term stands for.
    bound: Vec<u32>,
    /// Siblings to look at later: offset in the tree, place in the term, bound variables.
    later: Vec<(u32, u32, u32)>,
}

impl Instances {
    /// Indexes terms that are in the order of their bytes, each once.
    ///
    /// # Errors
    /// [`Stop::TooMany`] when they need 2 GiB or more.
    pub fn build(terms: &[&[u8]]) -> Result<Instances, Stop> {
        let mut shared: Vec<u32> = Vec::with_capacity(terms.len());
        shared.extend(terms.first().map(|_| 0));
        shared.extend(terms.windows(2).map(|pair| shared_symbols(pair[0], pair[1]) as u32));
        let mut tree = Vec::new();
        enum Task {
            /// Siblings: terms from one number to before another, after so many bytes.
            Nodes(usize, usize, usize),
            /// The node whose head is there is complete.
            Close(usize),
        }
        let mut tasks = vec![Task::Nodes(0, terms.len(), 0)];
        while let Some(task) = tasks.pop() {
            let (low, high, depth) = match task {
                Task::Nodes(low, high, depth) => (low, high, depth),
                Task::Close(head) => {
                    let next = u32::try_from(tree.len()).ok().filter(|&next| next < LAST).ok_or(Stop::TooMany)?;
                    let last = tree[head + 3] & (LAST >> 24) as u8;
                    tree[head..head + 4].copy_from_slice(&next.to_le_bytes());
                    tree[head + 3] |= last;
                    continue;
                }
            };
            if low == high || terms[low].len() == depth {
                continue;
            }
            // The terms that go on with the same symbol, and how much they all share.
            let mut until = low + 1;
            let mut label_end = terms[low].len();
            while until < high && shared[until] as usize > depth {
                label_end = label_end.min(shared[until] as usize);
                until += 1;
            }
            let label_end = whole_symbols(terms[low], depth, label_end.min(depth + LONGEST_LABEL));
            let head = tree.len();
            let last = if until == high { LAST } else { 0 };
            tree.extend_from_slice(&last.to_le_bytes());
            tree.push((label_end - depth) as u8);
            tree.extend_from_slice(&terms[low][depth..label_end]);
            tasks.push(Task::Nodes(until, high, depth));
            tasks.push(Task::Close(head));
            tasks.push(Task::Nodes(low, until, label_end));
        }
        Ok(Instances { tree })
    }

    /// Whether `term` is an instance of an indexed term other than itself.
    pub fn has_more_general(&self, term: &[u8], search: &mut Search) -> bool {
        if self.tree.is_empty() {
            return false;
        }
        search.measure(term);
        search.later.clear();
        let (mut node, mut at, mut variables) = (0u32, 0u32, 0u32);
        loop {
            let head = &self.tree[node as usize..node as usize + HEAD];
            let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
            let label_start = node as usize + HEAD;
            let label_end = label_start + head[4] as usize;
            if let Some((after, bound)) = search.follow(&self.tree[label_start..label_end], term, at, variables) {
                if after as usize == term.len() {
                    // No string is the beginning of another: where the term ends, so does the indexed one.
                    if !search.is_renaming(term, bound) {
                        return true;
                    }
                } else {
                    if next & LAST == 0 {
                        search.later.push((next, at, variables));
                    }
                    (node, at, variables) = (label_end as u32, after, bound);
                    continue;
                }
            }
            if next & LAST == 0 {
                node = next;
                continue;
            }
            match search.later.pop() {
                Some(state) => (node, at, variables) = state,
                None => return false,
            }
        }
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        self.tree.capacity()
    }
}

impl Search {
    /// Finds where each subterm of `term` ends.
    fn measure(&mut self, term: &[u8]) {
        self.starts.clear();
        let mut at = 0;
        while at < term.len() {
            self.starts.push(at as u32);
            at += width(term[at]);
        }
        self.end.resize(self.end.len().max(term.len() + 1), 0);
        for &start in self.starts.iter().rev() {
            let at = start as usize;
            self.end[at] = match arity(term[at]) {
                0 => (at + width(term[at])) as u32,
                1 => self.end[at + 1],
                _ => self.end[self.end[at + 1] as usize],
            };
        }
        self.bound.resize(self.bound.len().max(self.starts.len()), 0);
    }

    /// Matches a label from a place of the term on; the place after it and how many variables are bound then.
    fn follow(&mut self, label: &[u8], term: &[u8], at: u32, variables: u32) -> Option<(u32, u32)> {
        let (mut at, mut bound) = (at, variables);
        let mut label_at = 0;
        while label_at < label.len() {
            let byte = label[label_at];
            if byte > WIDE {
                if term[at as usize] != byte {
                    return None;
                }
                at += 1;
                label_at += 1;
                continue;
            }
            let number = if byte < WIDE { u32::from(byte) } else { variable(&label[label_at..])? };
            let after = self.end[at as usize];
            if number == bound {
                self.bound[number as usize] = at;
                bound += 1;
            } else {
                let first = self.bound[number as usize];
                let length = self.end[first as usize] - first;
                if after - at != length || term[first as usize..(first + length) as usize] != term[at as usize..after as usize] {
                    return None;
                }
            }
            at = after;
            label_at += width(byte);
        }
        Some((at, bound))
    }

    /// Whether each bound variable stands for itself: the indexed term is the one that is searched for.
    fn is_renaming(&self, term: &[u8], bound: u32) -> bool {
        (0..bound).zip(&self.bound).all(|(number, &at)| variable(&term[at as usize..]) == Some(number))
    }
}

/// How many bytes two terms share at their beginnings, whole symbols only.
fn shared_symbols(a: &[u8], b: &[u8]) -> usize {
    let shared = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    // Bytes of a long variable look like symbols, so where there are any the symbols have to be walked.
    if a[..shared].contains(&WIDE) { whole_symbols(a, 0, shared) } else { shared }
}

/// The end of the last symbol of `term` that ends by `limit`, walking from the symbol boundary `from`.
fn whole_symbols(term: &[u8], from: usize, limit: usize) -> usize {
    let mut at = from;
    while at < limit && at + width(term[at]) <= limit {
        at += width(term[at]);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::super::packed::pack;
    use super::*;
    use ml_logic::{Formula, Limits, Sym, is_instance};

    fn index(texts: &[&str]) -> Instances {
        let mut packed: Vec<Vec<u8>> = texts.iter().map(|text| pack(&text.parse().unwrap())).collect();
        packed.sort();
        packed.dedup();
        Instances::build(&packed.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn instances_are_found_and_nothing_else() {
        let index = index(&["CpCqp", "CCpCqrCCpqCpr", "CCNpNqCqp", "CNNpp"]);
        let mut search = Search::default();
        let mut more_general = |text: &str| index.has_more_general(&pack(&text.parse().unwrap()), &mut search);
        assert!(more_general("CpCpp"));
        assert!(more_general("CCpqCNrCpq"));
        assert!(more_general("CNNNpNp"));
        assert!(!more_general("CpCqp"), "no instance of anything but itself");
        assert!(!more_general("CpCqr"));
        assert!(!more_general("Cpp"));
        assert!(!more_general("p"));
        assert!(!Instances::default().has_more_general(&[0], &mut search));
    }

    /// All formulas of up to four symbols over two variables and two connectives, each against all others.
    #[test]
    fn agrees_with_the_definition() {
        let mut texts: Vec<String> = vec!["p".into(), "q".into()];
        for _ in 0..2 {
            let known = texts.clone();
            texts.extend(known.iter().map(|a| format!("N{a}")));
            texts.extend(known.iter().flat_map(|a| known.iter().map(move |b| format!("C{a}{b}"))));
        }
        let mut formulas: Vec<Formula> = texts.iter().map(|text| text.parse().unwrap()).collect();
        formulas.sort();
        formulas.dedup();
        let chosen: Vec<Formula> = formulas.iter().step_by(3).cloned().collect();
        let mut packed: Vec<Vec<u8>> = chosen.iter().map(pack).collect();
        packed.sort();
        let index = Instances::build(&packed.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let mut search = Search::default();
        for formula in &formulas {
            let expected = chosen.iter().any(|general| general != formula && is_instance(general, formula));
            assert_eq!(index.has_more_general(&pack(formula), &mut search), expected, "{formula}");
        }
    }

    #[test]
    fn long_labels_and_many_variables() {
        let limits = Limits::default();
        let chain = |variables: u32, last: &Formula| {
            let mut formula = last.clone();
            for n in (0..variables).rev() {
                formula = Formula::join(Sym::IMP, &[&formula, &Formula::var(n).unwrap()], &limits).unwrap();
            }
            formula.canonical()
        };
        let (fresh, repeated) = (Formula::var(700).unwrap(), Formula::var(699).unwrap());
        let (general, special, other) = (chain(700, &fresh), chain(700, &repeated), chain(699, &fresh));
        let mut packed = [pack(&general), pack(&special), pack(&other)];
        packed.sort();
        let index = Instances::build(&packed.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        let mut search = Search::default();
        assert!(!index.has_more_general(&pack(&other), &mut search));
        assert!(index.has_more_general(&pack(&special), &mut search));
        assert!(index.has_more_general(&pack(&general), &mut search), "its last part is an implication for the shorter one");
        let alone = Instances::build(&[&pack(&special)]).unwrap();
        assert!(!alone.has_more_general(&pack(&general), &mut search));
    }
}
