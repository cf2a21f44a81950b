//! What the commands that work on proofs are given: D-proofs, one a line, or `statement` records.
//!
//! Both come on standard input, and their first character tells which: then either this module reads lines, or the stage reads, forwards and
//! folds records as in every tool.

use crate::axioms;
use ml_common::people::printable;
use ml_common::platform;
use ml_common::record::{Body, Record, Statement};
use ml_common::stage::{Common, InputUse, Waiting};
use ml_common::{Class, Failure, Result};
use ml_logic::dproof::axiom_letter;
use ml_logic::{DProof, Formula, Limits, System, is_instance};
use std::io::{BufRead, Read};
use std::path::Path;

/// A D-proof may have so many symbols.
pub const LONGEST: usize = 1 << 24;

/// What a library of proofs may hold: half a gigabyte of formulas, some millions of them.
pub const LIMITS: Limits = Limits { max_symbols: 1 << 22, max_work: 1 << 27 };

/// What standard input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Nothing: it is a terminal, or is not to be read.
    Nothing,
    /// Records, or nothing at all.
    Records,
    /// D-proofs.
    Lines,
}

impl Given {
    /// Looks at the first bytes of standard input, which stay there; waits for them.
    pub fn look(common: &Common) -> Given {
        let named = common.input.as_deref();
        if common.no_input {
            return Given::Nothing;
        }
        if named.is_some_and(|path| path != Path::new("-")) {
            return Given::Records;
        }
        if named.is_none() && !platform::stdin_holds_records() {
            return Given::Nothing;
        }
        let _waiting = Waiting::begin();
        std::io::stdin().lock().fill_buf().map_or(Given::Records, of)
    }

    /// How the stage is to treat its input then.
    pub fn input(self) -> InputUse {
        match self {
            Given::Records => InputUse::Needed,
            Given::Nothing | Given::Lines => InputUse::OnRequest,
        }
    }
}

/// What begins like this: a record, or nothing, or a mark of UTF-16, which only a stream of records can have; else lines.
fn of(begins: &[u8]) -> Given {
    let first = begins.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begins).iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None | Some(b'{' | 0xfe | 0xff) => Given::Records,
        Some(_) => Given::Lines,
    }
}

/// A proof that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it stands, for messages: `line 3`, or the hash of its statement.
    pub place: String,
    /// The proof.
    pub proof: DProof,
    /// What it is said to prove, as canonical text.
    pub statement: Option<String>,
}

impl Claim {
    /// Why what the proof proves is not what it is said to prove, if so.
    pub fn contradicted(&self, proved: &Formula) -> Option<String> {
        let shown = |formula: &Formula| match formula.size() {
            0..=200 => formula.to_string(),
            size => format!("a formula of {size} symbols"),
        };
        match self.statement.as_ref()?.parse::<Formula>() {
            Ok(formula) if is_instance(proved, &formula) => None,
            Ok(_) => Some(format!("it proves {} instead", shown(proved))),
            Err(error) => Some(format!("what it should prove is no formula: {error}")),
        }
    }
}

/// The proofs of one call, and the system that they are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Axioms and rules.
    pub system: System,
    /// In their order.
    pub claims: Vec<Claim>,
    /// Statements that came without a proof.
    pub without: u64,
}

/// The statements of the stream.
#[derive(Clone, Debug, Default)]
pub struct Statements {
    /// Their axioms are in `axioms`.
    kept: Vec<(Statement, usize)>,
    axioms: Vec<Vec<String>>,
    seen: u64,
}

impl Statements {
    /// Keeps what a record says if it is a statement that is wanted.
    pub fn take(&mut self, record: &Record, wanted: impl Fn(&Statement) -> bool) {
        let Body::Statement(statement) = &record.body else { return };
        self.seen += 1;
        if !wanted(statement) {
            return;
        }
        let known = self.axioms.iter().position(|axioms| *axioms == statement.axioms);
        let place = known.unwrap_or_else(|| {
            self.axioms.push(statement.axioms.clone());
            self.axioms.len() - 1
        });
        self.kept.push((Statement { axioms: Vec::new(), ..statement.clone() }, place));
    }

    /// How many statements there were, wanted or not.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Those that are kept, none twice, and the axioms of each.
    pub fn kept(&self) -> Vec<(&Statement, &[String])> {
        let mut hashes = std::collections::HashSet::new();
        let fresh = self.kept.iter().filter(|(statement, _)| hashes.insert((&statement.hash, &statement.proof)));
        fresh.map(|(statement, axioms)| (statement, self.axioms[*axioms].as_slice())).collect()
    }

    /// Their proofs. `asked` is the system of `--axioms`, `default` the one of statements that do not say theirs.
    ///
    /// # Errors
    /// Class Usage for statements of different systems, or with texts that are no proofs.
    pub fn claims(&self, asked: Option<&System>, default: impl FnOnce() -> Result<System>, necessitation: bool) -> Result<Claims> {
        let kept = self.kept();
        let proved = kept.iter().filter(|(statement, _)| statement.proof.is_some());
        // A ledger gives each of its axioms as the only axiom of its own proof.
        let (own, told): (Vec<_>, Vec<_>) = proved.partition(|(statement, axioms)| is_axiom(statement, axioms));
        let told = told.iter().map(|(_, axioms)| axioms.join(",")).find(|axioms| !axioms.is_empty());
        let own: Vec<&str> = own.iter().map(|(statement, _)| statement.statement.as_str()).collect();
        let mut system = match (asked, told) {
            (Some(asked), _) => asked.clone(),
            (None, Some(axioms)) => axioms::system(&axioms, necessitation, Class::Usage)?,
            (None, None) if own.is_empty() => default()?,
            (None, None) => axioms::system(&own.join(","), necessitation, Class::Usage)?,
        };
        let expected: Vec<String> = system.axioms.iter().map(ToString::to_string).collect();
        let mut claims = Claims { system: system.clone(), claims: Vec::new(), without: 0 };
        for (statement, axioms) in kept {
            let Some(text) = &statement.proof else {
                claims.without += 1;
                continue;
            };
            let number = expected.iter().position(|axiom| is_axiom(statement, axioms) && *axiom == statement.statement);
            if let Some(letter) = number.and_then(|at| axiom_letter(at + 1)) {
                let proof =
                    DProof::parse(letter.encode_utf8(&mut [0; 4])).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
                claims.claims.push(Claim { place: short(&statement.hash), proof, statement: Some(statement.statement.clone()) });
                continue;
            }
            if !axioms.is_empty() && axioms != expected {
                return Err(Failure::new(
                    Class::Usage,
                    format!("statement {} has a proof from other axioms: {}", short(&statement.hash), printable(&axioms.join(", "))),
                )
                .hint(format!("give only statements of one system; of this call it is {}", expected.join(", "))));
            }
            let proof = DProof::parse(text).map_err(|error| {
                Failure::new(Class::Usage, format!("the proof of statement {} is none: {error}", short(&statement.hash)))
                    .hint("proofs are in D-notation: DD211")
            })?;
            // A statement says its axioms, and not whether necessitation is a rule of its system.
            system.necessitation |= asked.is_none() && proof.uses_necessitation();
            claims.claims.push(Claim { place: short(&statement.hash), proof, statement: Some(statement.statement.clone()) });
        }
        claims.system = system;
        Ok(claims)
    }
}

/// Whether a statement is proved by being an axiom.
fn is_axiom(statement: &Statement, axioms: &[String]) -> bool {
    matches!(axioms, [axiom] if *axiom == statement.statement) && statement.proof.as_deref() == Some("1")
}

/// A hash as people need it; it comes from elsewhere.
fn short(hash: &str) -> String {
    printable(hash).chars().take(12).collect()
}

/// The D-proofs of an input, one a line, each perhaps with a formula behind it that it is said to prove; blank lines and what follows `#` or `%`
/// mean nothing.
///
/// # Errors
/// Class Usage, naming the line that is none.
pub fn read_lines(input: impl BufRead, name: &str) -> Result<Vec<Claim>> {
    let mut input = input;
    let mut claims = Vec::new();
    for number in 1u64.. {
        let place = format!("line {number}{name}");
        let wrong = |what: String| Failure::new(Class::Usage, format!("{place}: {what}")).hint("give D-proofs, one a line: DD211");
        let mut bytes = Vec::new();
        let read = input.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut bytes);
        match read.map_err(|error| wrong(format!("cannot be read: {error}")))? {
            0 => break,
            _ if bytes.len() > LONGEST => return Err(wrong(format!("more than {LONGEST} symbols"))),
            _ => {}
        }
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
        let text = text.split(['#', '%']).next().unwrap_or_default().trim();
        let between = |c: char| c.is_whitespace() || matches!(c, ';' | ':' | ',');
        let (proof, statement) = text.split_once(between).unwrap_or((text, ""));
        let statement = statement.trim_start_matches(between);
        if !text.is_empty() {
            let proof = DProof::parse(proof).map_err(|error| wrong(format!("no D-proof: {error}")))?;
            claims.push(Claim { place, proof, statement: (!statement.is_empty()).then(|| statement.to_owned()) });
        }
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_character_tells() {
        for (begins, given) in [
            (&b""[..], Given::Records),
            (b" \n", Given::Records),
            (b"\xef\xbb\xbf {", Given::Records),
            (b"\xff\xfe{\0", Given::Records),
            (b"{\"v\":1", Given::Records),
            (b"\nDD211\n", Given::Lines),
            (b"# mine\n", Given::Lines),
            (b"\0\x01", Given::Lines),
        ] {
            assert_eq!(of(begins), given, "{begins:?}");
        }
    }

    #[test]
    fn lines_are_proofs() {
        let read = |text: &[u8]| read_lines(text, "");
        let claims = read(b"# two\r\n\r\nDD211\r\n 1 # K\n").unwrap();
        let found: Vec<(&str, &str)> = claims.iter().map(|claim| (claim.place.as_str(), claim.proof.as_str())).collect();
        assert_eq!(found, [("line 3", "DD211"), ("line 4", "1")]);
        let claimed = read(b"DD211; p -> p\n1 CpCqp # K\n").unwrap();
        assert_eq!((claimed[0].statement.as_deref(), claimed[1].statement.as_deref()), (Some("p -> p"), Some("CpCqp")));
        assert_eq!(claimed[0].contradicted(&"CNpNp".parse().unwrap()), Some("it proves ~p->~p instead".into()));
        assert_eq!(claimed[1].contradicted(&"CpCqp".parse().unwrap()), None);
        assert_eq!(read(b""), Ok(vec![]));
        for (text, message) in [
            (&b"DD211\nDD21\n"[..], "line 2: no D-proof: the proof ends where 1 more sub-proofs are expected"),
            (b"1\n\xff\xfe\n", "line 2: no D-proof: `\u{fffd}` is no symbol of a proof at column 1"),
            (b"{\"v\":1}", "line 1: no D-proof: `{` is no symbol of a proof at column 1"),
        ] {
            assert_eq!(read(text).unwrap_err().message, message);
        }
        let failure = read(&vec![b'D'; LONGEST + 5]).unwrap_err();
        assert_eq!(failure.message, format!("line 1: more than {LONGEST} symbols"));
    }

    fn records(texts: &[(&str, Option<&str>, &[&str])]) -> Statements {
        let mut statements = Statements::default();
        for (statement, proof, axioms) in texts {
            let head = ml_common::record::Head {
                v: 1,
                tool: "t".into(),
                stage: "s".into(),
                system: "s".into(),
                run: "r".into(),
                ts: "t".into(),
                host: "h".into(),
                status: ml_common::Status::Ok,
            };
            let body = Body::Statement(Statement {
                hash: ml_logic::hash::statement_text(statement),
                statement: (*statement).into(),
                proof: proof.map(str::to_owned),
                axioms: axioms.iter().map(|axiom| (*axiom).to_owned()).collect(),
                ..Statement::default()
            });
            statements.take(&Record { head, body }, |_| true);
        }
        statements
    }

    #[test]
    fn statements_say_their_system() {
        let default = || Ok(System::named("meredith").unwrap());
        let ks: &[&str] = &["p->q->p", "(p->q->r)->(p->q)->p->r"];
        let told = records(&[("p->p", Some("DD211"), ks), ("p->q->p", Some("1"), ks), ("p->q", None, ks), ("p->p", Some("DD211"), ks)]);
        let claims = told.claims(None, default, false).unwrap();
        assert_eq!((claims.system.axioms.len(), claims.system.necessitation, claims.claims.len(), claims.without), (2, false, 2, 1));
        let silent = records(&[("p->p", Some("N1"), &[])]);
        let claims = silent.claims(None, default, false).unwrap();
        assert_eq!((claims.system.axioms.len(), claims.system.necessitation), (1, true));
        let frege = System::named("frege").unwrap();
        assert!(told.claims(Some(&frege), default, false).unwrap_err().message.contains("other axioms"));
        // As a ledger gives its axioms.
        let ledger = records(&[("p->q->p", Some("1"), &["p->q->p"]), (ks[1], Some("1"), &[ks[1]]), ("p->p", Some("DD211"), ks)]);
        let claims = ledger.claims(None, default, false).unwrap();
        let proofs: Vec<&str> = claims.claims.iter().map(|claim| claim.proof.as_str()).collect();
        assert_eq!((claims.system.axioms.len(), proofs), (2, vec!["1", "2", "DD211"]));
        let alone = records(&[("p->q->p", Some("1"), &["p->q->p"]), (ks[1], Some("1"), &[ks[1]])]);
        assert_eq!(alone.claims(None, default, false).unwrap().system.axioms.len(), 2);
        let mixed = records(&[("p->p", Some("DD211"), ks), ("p->q->r->q", Some("D11"), &["p->q->p"])]);
        assert_eq!(mixed.claims(None, default, false).unwrap_err().class, Class::Usage);
        assert!(records(&[("p->p", Some("DD21"), ks)]).claims(None, default, false).is_err());
    }
}
