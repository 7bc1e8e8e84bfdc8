//! The compiled form: what to read, and what to compute from it.

use std::fmt;

/// How the values of several nodes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// All together. A single node's metric is a sum over one node.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// How many are not 0.
    Count,
}

impl Aggregate {
    /// The value over all nodes from scratch; a keeper of running values may do better for sums
    /// and counts. Over no nodes at all it is 0.
    ///
    /// # Errors
    /// If a sum is beyond 64 bits.
    pub fn over(self, values: impl IntoIterator<Item = i64>) -> Result<i64, EvalError> {
        let mut values = values.into_iter();
        match self {
            Self::Sum => values.try_fold(0_i64, i64::checked_add).ok_or(EvalError::Overflow("sum")),
            Self::Min => Ok(values.min().unwrap_or(0)),
            Self::Max => Ok(values.max().unwrap_or(0)),
            Self::Count => Ok(values.filter(|value| *value != 0).fold(0, |count, _| count + 1)),
        }
    }
}

/// One input of a program: a metric of some nodes, made into one integer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// How.
    pub aggregate: Aggregate,
    /// Indices into the plan's nodes, ascending; never empty.
    pub nodes: Box<[usize]>,
    /// The metric's name.
    pub metric: Box<str>,
}

/// Why an expression has no value at some moment. A check that meets it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The named operation went beyond 64 bits.
    #[error("integer overflow in `{0}`")]
    Overflow(&'static str),
    /// A division or remainder by zero.
    #[error("division by zero")]
    DivisionByZero,
}

/// How many values a program stacks at most. Inside one pair of parentheses at most three wait for
/// their right-hand side (of a comparison, of a sum, of a product), and the parser limits nesting.
const STACK: usize = 3 * super::parse::DEPTH_MAX as usize + 1;

/// A compiled expression: a flat list of steps over a small stack.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    pub(super) cells: Box<[Cell]>,
    pub(super) steps: Box<[Step]>,
    pub(super) text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Constant(i64),
    Cell(u32),
    Negate,
    Not,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    Unequal,
    Less,
    AtMost,
    /// If the top is 0, goes on at the step and keeps it; else drops it.
    JumpIfFalse(u32),
    /// If the top is not 0, goes on at the step and keeps it; else drops it.
    JumpIfTrue(u32),
    /// Drops the top and, if it was 0, goes on at the step.
    Branch(u32),
    Jump(u32),
}

impl Program {
    /// The inputs, in the order in which [`holds`](Self::holds) wants their values.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the expression holds for these values of its cells. It does not allocate.
    ///
    /// # Errors
    /// On integer overflow and division by zero; `&&`, `||` and `?:` evaluate only what they need.
    ///
    /// # Panics
    /// If there are fewer values than cells.
    pub fn holds(&self, values: &[i64]) -> Result<bool, EvalError> {
        assert!(values.len() >= self.cells.len(), "a value for every cell");
        let mut stack = [0_i64; STACK];
        let mut top = 0;
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            at += 1;
            match *step {
                Step::Constant(value) => {
                    stack[top] = value;
                    top += 1;
                }
                Step::Cell(cell) => {
                    stack[top] = values[cell as usize];
                    top += 1;
                }
                Step::Negate => {
                    let value = stack[top - 1].checked_neg();
                    stack[top - 1] = value.ok_or(EvalError::Overflow("-"))?;
                }
                Step::Not => stack[top - 1] = i64::from(stack[top - 1] == 0),
                Step::JumpIfFalse(to) if stack[top - 1] == 0 => at = to as usize,
                Step::JumpIfTrue(to) if stack[top - 1] != 0 => at = to as usize,
                Step::JumpIfFalse(_) | Step::JumpIfTrue(_) => top -= 1,
                Step::Branch(to) => {
                    top -= 1;
                    if stack[top] == 0 {
                        at = to as usize;
                    }
                }
                Step::Jump(to) => at = to as usize,
                pair => {
                    top -= 1;
                    stack[top - 1] = combine(pair, stack[top - 1], stack[top])?;
                }
            }
        }
        debug_assert_eq!(top, 1, "a program leaves one value");
        Ok(stack[0] != 0)
    }
}

#[inline]
fn combine(step: Step, a: i64, b: i64) -> Result<i64, EvalError> {
    let beyond = |operation| move || EvalError::Overflow(operation);
    if b == 0 && matches!(step, Step::Divide | Step::Remainder) {
        return Err(EvalError::DivisionByZero);
    }
    match step {
        Step::Add => a.checked_add(b).ok_or_else(beyond("+")),
        Step::Subtract => a.checked_sub(b).ok_or_else(beyond("-")),
        Step::Multiply => a.checked_mul(b).ok_or_else(beyond("*")),
        Step::Divide => a.checked_div(b).ok_or_else(beyond("/")),
        Step::Remainder => a.checked_rem(b).ok_or_else(beyond("%")),
        Step::Equal => Ok(i64::from(a == b)),
        Step::Unequal => Ok(i64::from(a != b)),
        Step::Less => Ok(i64::from(a < b)),
        Step::AtMost => Ok(i64::from(a <= b)),
        _ => unreachable!("the other steps take fewer than two values"),
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("text", &self.text).field("cells", &self.cells).finish_non_exhaustive()
    }
}
