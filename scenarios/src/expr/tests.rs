//! What expressions mean.

use super::{Aggregate, EvalError, Program, Scope, compile};

/// A hub with the metrics `a` and `b`, and three thermostats with others.
struct House;

impl Scope for House {
    fn matching(&self, glob: &str) -> Vec<usize> {
        match glob {
            "hub" => vec![0],
            "thermostat-*" => vec![1, 2, 3],
            "*" => vec![0, 1, 2, 3],
            _ => Vec::new(),
        }
    }

    fn names(&self) -> Vec<&str> {
        vec!["hub", "thermostat-*"]
    }

    fn declares(&self, node: usize, metric: &str) -> Option<bool> {
        Some((node == 0) == matches!(metric, "a" | "b"))
    }

    fn metrics(&self, _: usize) -> Vec<&str> {
        vec!["a", "b"]
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn program(text: &str) -> Program {
    compile(text, &House).unwrap_or_else(|why| panic!("{text}: {why:?}")).expect("the house is complete")
}

/// The value of an expression in which `A` and `B` stand for metrics of the hub.
fn value(text: &str, a: i64, b: i64) -> Result<bool, EvalError> {
    let text = text.replace('A', "metric('hub', 'a')").replace('B', "metric(\"hub\", \"b\")");
    let program = program(&text);
    let values = program.cells().iter().map(|cell| if &*cell.metric == "a" { a } else { b });
    program.holds(&values.collect::<Vec<_>>())
}

#[test]
fn operators_bind_as_they_do_in_cel() {
    for (text, a, b, holds) in [
        ("A + B * 2 == 8", 2, 3, true),
        ("(A + B) * 2 == 10", 2, 3, true),
        ("A - B - 1 == -2", 2, 3, true),
        ("A / B * B + A % B == A", -7, 2, true),
        ("A / 2 == -3 && A % 2 == -1", -7, 0, true),
        ("A == 1 || A == 2 && B == 9", 1, 0, true),
        ("(A == 1 || A == 2) && B == 9", 1, 0, false),
        ("!(A < B) && A >= B && A > B && B < A && B <= A && A != B", 3, 2, true),
        ("A > B ? A == 3 : B == 3", 2, 3, true),
        ("A > 9 ? A == 3 : B > 9 ? false : true", 2, 3, true),
        ("-A == -3 && - -A == 3 && !!(A == 3)", 3, 0, true),
        ("A == 0x10 && true != false", 16, 0, true),
        ("A == -9223372036854775808", i64::MIN, 0, true),
        ("(A < B) == (B > A)", 1, 2, true),
    ] {
        assert_eq!(value(text, a, b), Ok(holds), "{text} with A = {a}, B = {b}");
    }
}

#[test]
fn what_has_no_value_is_an_error() {
    assert_eq!(value("A + B > 0", i64::MAX, 1), Err(EvalError::Overflow("+")));
    assert_eq!(value("A - B > 0", i64::MIN, 1), Err(EvalError::Overflow("-")));
    assert_eq!(value("A * B > 0", i64::MAX, 2), Err(EvalError::Overflow("*")));
    assert_eq!(value("A / B > 0", i64::MIN, -1), Err(EvalError::Overflow("/")));
    assert_eq!(value("A % B > 0", i64::MIN, -1), Err(EvalError::Overflow("%")));
    assert_eq!(value("-A > 0", i64::MIN, 0), Err(EvalError::Overflow("-")));
    assert_eq!(value("A / B > 0", 1, 0), Err(EvalError::DivisionByZero));
    assert_eq!(value("A % B > 0", 1, 0), Err(EvalError::DivisionByZero));
    assert_eq!(value("B != 0 && A / B > 0", 1, 0), Ok(false));
    assert_eq!(value("B == 0 || A / B > 0", 1, 0), Ok(true));
    assert_eq!(value("B == 0 ? true : A / B > 0", 1, 0), Ok(true));
}

#[test]
fn cells_name_each_input_once_and_only_the_nodes_that_have_it() {
    let program =
        program("sum('*', 'a') < 3 || sum('*', 'a') > 5 || count('thermostat-*', 't') == nodes('thermostat-*')");
    let [sum, count] = program.cells() else { panic!("two cells: {:?}", program.cells()) };
    assert_eq!((sum.aggregate, &sum.nodes[..], &*sum.metric), (Aggregate::Sum, &[0][..], "a"));
    assert_eq!((count.aggregate, &count.nodes[..]), (Aggregate::Count, &[1, 2, 3][..]));
    assert_eq!(program.holds(&[4, 3]), Ok(true));
    assert_eq!(program.holds(&[4, 2]), Ok(false));
}

#[test]
fn aggregates_are_what_they_are_called() {
    let values = [3, 0, -2];
    assert_eq!(Aggregate::Sum.over(values), Ok(1));
    assert_eq!(Aggregate::Min.over(values), Ok(-2));
    assert_eq!(Aggregate::Max.over(values), Ok(3));
    assert_eq!(Aggregate::Count.over(values), Ok(2));
    assert_eq!(Aggregate::Sum.over([i64::MAX, 1]), Err(EvalError::Overflow("sum")));
    assert_eq!(Aggregate::Min.over([]), Ok(0));
}

#[test]
fn the_deepest_expression_that_parses_fits_the_stack() {
    // At every level all three kinds of operators wait for their right-hand side.
    let mut text = "A".to_owned();
    let mut deepest = None;
    for _ in 0..32 {
        text = format!("1 + 1 * ({text})");
        let condition = format!("B == 1 + 1 * ({text})");
        let told = condition.replace('A', "metric('hub', 'a')").replace('B', "metric('hub', 'b')");
        if compile(&told, &House).is_ok() {
            deepest = Some(condition);
        }
    }
    let deepest = deepest.expect("some depth is allowed");
    assert!(value(&deepest, 0, 0).is_ok());
    let conditions = "true == (".repeat(9) + "1 < 1 + 1 * A" + &")".repeat(9);
    assert_eq!(value(&conditions, 5, 0), Ok(true));
}
