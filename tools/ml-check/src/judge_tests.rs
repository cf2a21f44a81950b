use super::*;

const KS: [&str; 2] = ["p->q->p", "(p->q->r)->(p->q)->p->r"];

fn judge(axioms: &str, only: bool) -> Judge {
    Judge::new(System::read(axioms, false, &Limits::default()).unwrap(), only)
}

fn with<'a>(proof: &'a str, statement: &'a str, axioms: &'a [String]) -> Claim<'a> {
    Claim { proof: Some(proof), statement: Some(statement), axioms, ..Claim::default() }
}

fn owned(axioms: &[&str]) -> Vec<String> {
    axioms.iter().map(|axiom| (*axiom).to_owned()).collect()
}

/// The word and the text of a refusal.
fn refused(verdict: Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Refused(word, reason) => (word, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_axioms_are_those_of_the_proof_or_of_the_system() {
    let mut frege = judge("frege", false);
    let (ks, sk) = (owned(&KS), owned(&[KS[1], KS[0]]));
    for (proof, axioms) in [("DD211", &[][..]), ("DD211", &ks), ("DD122", &sk), ("DD122 axioms=CCpCqrCCpqCpr,CpCqp", &[])] {
        assert_eq!(frege.judge(&with(proof, "p->p", axioms)), Verdict::Exact("p->p".into()), "{proof}");
    }
    assert_eq!(frege.judge(&with("DD211", "~q->~q", &ks)), Verdict::MoreGeneral("p->p".into(), "~p->~p".into()));
    let (word, reason) = refused(frege.judge(&with("DD211", "p->q", &ks)));
    assert_eq!((word, reason.as_str()), ("wrong", "the proof proves p->p instead"));
    let (_, reason) = refused(frege.judge(&with("DD211", "p->p", &sk)));
    assert_eq!(reason, format!("the proof proves {} instead", KS[1]));
    assert_eq!(frege.rests_on().unwrap(), [KS[1], KS[0]]);
}

#[test]
fn only_the_axioms_of_the_system_when_it_is_said() {
    let (mut frege, anything) = (judge("frege", true), owned(&["p->p", "p"]));
    assert!(matches!(frege.judge(&with("DD122", "p->p", &owned(&[KS[1], KS[0], "p"]))), Verdict::Exact(_)), "the third is not used");
    let (word, reason) = refused(frege.judge(&with("2", "q", &anything)));
    assert_eq!((word, reason.as_str()), ("wrong", "axiom 2 of its proof, p, is none of frege"));
    assert!(matches!(judge("frege", false).judge(&with("2", "q", &anything)), Verdict::Exact(_)));
    let boxed = owned(&["p->q->p"]);
    let (_, reason) = refused(frege.judge(&with("N1", "[](p->q->p)", &boxed)));
    assert!(reason.ends_with("necessitation is not a rule of this system"), "{reason}");
    assert!(matches!(judge("s5", true).judge(&with("N1", "[](p->q->p)", &boxed)), Verdict::Exact(_)));
    assert!(matches!(judge("frege", false).judge(&with("N1", "[](p->q->p)", &boxed)), Verdict::Exact(_)));
    assert!(matches!(judge("frege", false).judge(&with("N1", "[](p->q->p)", &[])), Verdict::Refused(..)), "frege has no such rule");
}

#[test]
fn axioms_that_cannot_be_read() {
    let mut frege = judge("frege", false);
    for (proof, axioms) in [
        ("1", &["p->"][..]),
        ("1", &["p->p, q"]),
        ("2", &["# p", "q"]),
        ("1", &[""]),
        ("1", &["p\np"]),
        ("1 axioms=", &[]),
        ("1 axioms=Cp", &[]),
        ("1 axioms=#", &[]),
    ] {
        let (word, reason) = refused(frege.judge(&with(proof, "p", &owned(axioms))));
        assert!(word == "wrong" && reason.starts_with("its axioms cannot be read"), "{proof} {axioms:?}: {reason}");
    }
    let many = vec!["p->p".to_owned(); 36];
    assert_eq!(frege.judge(&with("1", "p->p", &many)), Verdict::TooLarge("a limit was reached: more than 35 axioms of a system".into()));
}

#[test]
fn hash_and_text_before_the_proof() {
    let mut frege = judge("frege", false);
    let right = hash::statement_text("p->p").to_ascii_uppercase();
    let claim = |hash, statement| Claim { proof: Some("DD211"), hash: Some(hash), statement: Some(statement), ..Claim::default() };
    assert!(matches!(frege.judge(&claim(&right, "p->p")), Verdict::Exact(_)));
    assert_eq!(refused(frege.judge(&claim(&right, "q->q"))).0, "wrong-hash");
    assert_eq!(refused(frege.judge(&claim("", "p->p"))).0, "wrong-hash");
    let broken = hash::statement_text("p->");
    assert_eq!(refused(frege.judge(&claim(&broken, "p->"))).0, "not-a-formula");
    let without = Claim { proof: None, ..claim(&right, "p->p") };
    assert!(matches!(frege.judge(&without), Verdict::NoProof(_)));
    let long = Claim { proof_length: Some(70000), ..without };
    assert_eq!(frege.judge(&long), Verdict::NoProof("its proof of 70000 symbols is not in the record".into()));
    assert_eq!(refused(frege.judge(&Claim { statement: Some("q->q"), ..without })).0, "wrong-hash", "also without a proof");
}

#[test]
fn what_is_no_proof() {
    let mut frege = judge("frege", false);
    for proof in ["", "D", "DD21", "DD2111", "D0", "DD2 11", "4", "é", "D\u{0}1", "{\"v\":1}", "D11D11", "DDDDDDDDDD"] {
        let (word, _) = refused(frege.judge(&Claim { proof: Some(proof), ..Claim::default() }));
        assert_eq!(word, "wrong", "{proof}");
    }
    assert_eq!(frege.rests_on(), Some(Vec::new()), "what is refused rests on nothing");
}

#[test]
fn long_and_deep_proofs() {
    let mut frege = judge("frege", false);
    // p->p, again and again from itself: as deep as it is long.
    let identity = "DD211";
    let deep = format!("{}{identity}", format!("D{identity}").repeat(500_000));
    assert_eq!(frege.judge(&Claim { proof: Some(&deep), ..Claim::default() }), Verdict::Exact("p->p".into()));
    // q->p->p, r->q->p->p, ...: every sub-proof is another statement, and all of them together are beyond the limits.
    let growing = format!("{}{identity}", "D1".repeat(1 << 20));
    assert!(matches!(frege.judge(&Claim { proof: Some(&growing), ..Claim::default() }), Verdict::TooLarge(_)));
    let unbalanced = "D".repeat(4 << 20);
    assert_eq!(refused(frege.judge(&Claim { proof: Some(&unbalanced), ..Claim::default() })).0, "wrong");
}
