//! The COPY statement of an archive: `COPY public."a b" (c, "d") FROM stdin;`.

use crate::tables::shown;

/// What it names, unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyStatement {
    /// The schema of the table that takes the rows.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The columns, in order; none for a table that has none.
    pub columns: Vec<String>,
    /// The list of columns as SQL, without the parentheses.
    pub list: String,
}

impl CopyStatement {
    /// Takes a statement apart; None when it is none.
    pub fn parse(statement: &str) -> Option<CopyStatement> {
        let copy = statement.trim_end().strip_suffix(';').unwrap_or(statement.trim_end());
        let (schema, rest) = identifier(copy.strip_prefix("COPY ")?)?;
        let (name, rest) = identifier(rest.strip_prefix('.')?)?;
        let rest = rest.trim_start().strip_suffix("FROM stdin")?.trim_end();
        let mut parsed = CopyStatement { schema, name, ..CopyStatement::default() };
        if rest.is_empty() {
            return Some(parsed);
        }
        parsed.list = rest.strip_prefix('(')?.strip_suffix(')')?.to_owned();
        let mut list = parsed.list.as_str();
        loop {
            let (column, rest) = identifier(list)?;
            parsed.columns.push(column);
            if rest.is_empty() {
                return Some(parsed);
            }
            list = rest.strip_prefix(", ")?;
        }
    }

    /// The table, in the spelling of manifests.
    pub fn shown(&self) -> String {
        shown(&self.schema, &self.name)
    }
}

/// A name at the beginning of SQL, unquoted, and what follows it.
fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', ' ', '(', ',']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_taken_apart() {
        let parsed = CopyStatement::parse("COPY \"s.1\".\"a FROM stdin;\n\"\"b\" (\"x), (y\", z, \"\u{fc}\") FROM stdin;\n").unwrap();
        assert_eq!((parsed.schema.as_str(), parsed.name.as_str()), ("s.1", "a FROM stdin;\n\"b"));
        assert_eq!(parsed.columns, ["x), (y", "z", "\u{fc}"]);
        assert_eq!(parsed.list, "\"x), (y\", z, \"\u{fc}\"");
        let none = CopyStatement::parse("COPY public.zero  FROM stdin;").unwrap();
        assert_eq!((none.shown().as_str(), none.columns.len(), none.list.as_str()), ("public.zero", 0, ""));
        for wrong in
            ["", "COPY t FROM stdin", "COPY a.b (c FROM stdin", "COPY a.b (c) FROM '/x'", "COPY a.b (c,d) FROM stdin", "COPY a.\"b"]
        {
            assert_eq!(CopyStatement::parse(wrong), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text: String) {
            let _ = CopyStatement::parse(&format!("COPY {text}"));
        }
    }
}
