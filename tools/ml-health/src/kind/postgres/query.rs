//! A query of the profile's own.

use super::super::{Args, Metric, Param, ParamKind, Sample, View};
use super::session::{Db, Trouble, cell};
use ml_common::record::Scalar;
use ml_common::{Class, Failure, Result};
use postgres::Row;
use postgres::types::{FromSql, Type};
use std::error::Error;

/// A query.
pub(super) const QUERY: View = View {
    name: "query",
    doc: "One statement of the profile's own, in a read-only transaction that is rolled back: the columns of its first row are the values, by \
          name. Take care: it runs with all rights of the role, and what it calls may do more than read (pg_terminate_backend, dblink); give \
          the role no more than it needs, and no value that is a secret or a person's data a name here. What it costs it costs at every run.",
    params: &[Param {
        name: "sql",
        kind: ParamKind::Text,
        required: true,
        default: None,
        doc: "The statement: `SELECT count(*) AS open, max(age) AS oldest FROM ...`. Columns are numbers, truth values, texts or times.",
    }],
    metrics: &[] as &[Metric],
    named_by: None,
};

pub(super) fn query(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    const DOING: &str = "running the query of the profile";
    let failed = |error| Trouble::sql(error, DOING);
    let sql = args.text("sql").unwrap_or_default();
    // What it sets is forgotten with the transaction. A portal gives the first rows of however many there are.
    let mut transaction = db.client.build_transaction().read_only(true).start().map_err(failed)?;
    let statement = transaction.prepare(sql).map_err(failed)?;
    let portal = transaction.bind(&statement, &[]).map_err(failed)?;
    let rows = transaction.query_portal(&portal, 1).map_err(failed)?;
    transaction.rollback().map_err(failed)?;
    let Some(row) = rows.first() else {
        return Ok(Sample { note: "the query gave no row".into(), ..Sample::default() });
    };
    let mut sample = Sample::default();
    for (index, column) in row.columns().iter().enumerate() {
        if let Some(value) = value(row, index, column.type_(), column.name())? {
            sample = sample.with(column.name(), value);
        }
    }
    let shown: Vec<String> = sample.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
    sample.note = shown.join(", ");
    Ok(sample)
}

/// NULL is not known.
fn value(row: &Row, index: usize, kind: &Type, name: &str) -> Result<Option<Scalar>, Trouble> {
    fn of<'a, T: FromSql<'a>>(row: &'a Row, index: usize, make: impl FnOnce(T) -> Scalar) -> Result<Option<Scalar>, Trouble> {
        Ok(cell::<Option<T>>(row, index)?.map(make))
    }
    match *kind {
        Type::INT2 => of::<i16>(row, index, |v| i64::from(v).into()),
        Type::INT4 => of::<i32>(row, index, Scalar::from),
        Type::INT8 => of::<i64>(row, index, Scalar::from),
        Type::OID => of::<u32>(row, index, Scalar::from),
        Type::FLOAT4 => of::<f32>(row, index, |v| f64::from(v).into()),
        Type::FLOAT8 => of::<f64>(row, index, Scalar::from),
        Type::NUMERIC => of::<Numeric>(row, index, |v| v.0.into()),
        Type::BOOL => of::<bool>(row, index, Scalar::from),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => of::<String>(row, index, Scalar::from),
        Type::TIMESTAMPTZ => of::<jiff::Timestamp>(row, index, |v| v.to_string().into()),
        _ => {
            let wrong =
                Failure::new(Class::Config, format!("column {name} of the query is of the type {kind}, which no expression understands"));
            Err(wrong.hint(format!("cast it: {name}::text, {name}::float8, or extract(epoch FROM {name})::float8")).into())
        }
    }
}

/// PostgreSQL's decimal numbers (what sum() of bigints gives), as near as a float gets.
struct Numeric(f64);

impl<'a> FromSql<'a> for Numeric {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Numeric, Box<dyn Error + Sync + Send>> {
        decimal(raw).map(Numeric).ok_or_else(|| "not a decimal number".into())
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::NUMERIC
    }
}

/// Count of digits, weight of the first, sign, scale, then digits to the base of 10000; all of 16 bits.
fn decimal(raw: &[u8]) -> Option<f64> {
    let word = |index: usize| raw.get(2 * index..2 * index + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight, sign) = (word(0)?, word(1)? as i16, word(2)?);
    let sign = match sign {
        0x0000 => 1.0,
        0x4000 => -1.0,
        0xD000 => return Some(f64::INFINITY),
        0xF000 => return Some(f64::NEG_INFINITY),
        _ => return Some(f64::NAN),
    };
    let mut digits = String::from("0.");
    for index in 0..usize::from(count) {
        digits.push_str(&format!("{:04}", word(4 + index)?));
    }
    // Parsed as a whole, so that the nearest float comes out.
    let number: f64 = format!("{digits}e{}", (i32::from(weight) + 1) * 4).parse().ok()?;
    Some(sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_become_the_nearest_floats() {
        for (words, expected) in [
            (&[0u16, 0, 0, 0][..], 0.0),
            (&[1, 0, 0, 0, 42], 42.0),
            (&[2, 0, 0x4000, 2, 12, 3400], -12.34),
            (&[1, 1, 0, 0, 7], 70_000.0),
            (&[1, 0xFFFF, 0, 4, 5000], 0.5),
            (&[3, 2, 0, 0, 1, 2, 3], 100_020_003.0),
        ] {
            assert_eq!(decimal(&raw(words)), Some(expected), "{words:?}");
        }
        assert!(decimal(&raw(&[0, 0, 0xC000, 0])).unwrap().is_nan());
        assert_eq!(decimal(&raw(&[2, 0, 0, 0, 1])), None, "cut off");
    }
}
